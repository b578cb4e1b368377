import { int, optional, string, struct, uint } from '../xdr.ts';
import { domainRef, qemuProcedure } from './procedure.ts';

/** What the agent inside a guest is told. */
export const agentProcedures = {
  domainAgentCommand: qemuProcedure(
    3,
    struct({ domain: domainRef, command: string, timeoutSeconds: int, flags: uint }),
    struct({ result: optional(string) }),
  ),
} as const;
