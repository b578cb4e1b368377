import type { Calls } from '../calls.ts';
import { agentCommand } from '../guest-agent.ts';

/** What a guest's agent is told. */
export const agentCalls: Calls = {
  domainAgentCommand: ({ host }, { domain, command }) => ({
    result: agentCommand(host.domains.byRef(domain), command),
  }),
};
