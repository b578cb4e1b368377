import type { ArgsOf, ProcedureName, ReplyOf } from '../libvirt/protocol.ts';
import { agentCalls } from './calls/agent.ts';
import type { Caller } from './calls/caller.ts';
import { chainCalls } from './calls/chain.ts';
import { connectionCalls } from './calls/connection.ts';
import { deviceCalls } from './calls/device.ts';
import { domainCalls } from './calls/domain.ts';
import { migrationCalls } from './calls/migration.ts';
import { storageCalls } from './calls/storage.ts';

/** What a simulated host does for each procedure; libvirt's failures are thrown. */
export type Calls = {
  readonly [N in ProcedureName]?: (caller: Caller, args: ArgsOf<N>) => ReplyOf<N>;
};

const calls: Calls = {
  ...connectionCalls,
  ...agentCalls,
  ...chainCalls,
  ...deviceCalls,
  ...domainCalls,
  ...migrationCalls,
  ...storageCalls,
};

/** The procedure's implementation; undefined where there is none. */
export function callNamed<N extends ProcedureName>(name: N): Calls[N] {
  return calls[name];
}
