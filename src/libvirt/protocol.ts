import { agentProcedures } from './protocol/agent.ts';
import { chainProcedures } from './protocol/chain.ts';
import { connectProcedures } from './protocol/connect.ts';
import { domainProcedures } from './protocol/domain.ts';
import { eventMessages, eventProcedures, type RawEvent } from './protocol/event.ts';
import { migrationProcedures } from './protocol/migration.ts';
import type { Procedure } from './protocol/procedure.ts';
import { storageProcedures } from './protocol/storage.ts';
import { decode, type ValueOf } from './xdr.ts';

/** Every procedure that is spoken here. A new one is a line in its topic's file. */
export const procedures = {
  ...connectProcedures,
  ...domainProcedures,
  ...chainProcedures,
  ...migrationProcedures,
  ...agentProcedures,
  ...storageProcedures,
  ...eventProcedures,
} as const;

export type ProcedureName = keyof typeof procedures;
export type ArgsOf<N extends ProcedureName> = ValueOf<(typeof procedures)[N]['args']>;
export type ReplyOf<N extends ProcedureName> = ValueOf<(typeof procedures)[N]['reply']>;

const table: { readonly [N in ProcedureName]: Procedure<ArgsOf<N>, ReplyOf<N>> } = procedures;

/** The table's line of that name, with its types kept together. */
export function procedureNamed<N extends ProcedureName>(name: N): Procedure<ArgsOf<N>, ReplyOf<N>> {
  return table[name];
}

/** The event in the body of an event packet; undefined for a number that is not in the table. */
export function decodeEvent(number: number, body: Buffer): RawEvent | undefined {
  const { domainLifecycle, domainMetadataChange } = eventMessages;
  if (number === domainLifecycle.number) {
    return { name: 'domainLifecycle', body: decode(domainLifecycle.body, body) };
  }
  if (number === domainMetadataChange.number) {
    return { name: 'domainMetadataChange', body: decode(domainMetadataChange.body, body) };
  }
  return undefined;
}
