import { buildDesired } from '../core/build-desired.ts';
import { AUTO } from '../core/check-host.ts';
import { proposePlaces } from '../core/placing/propose-place.ts';
import { OperatorError } from '../errors.ts';
import { buildContext } from '../operator.ts';
import { moveTable } from './move-table.ts';
import { type ProposalOptions, propose } from './proposal.ts';

/** Proposes hosts for VMs under `host: auto`: all, or the one. Exit code 1: some of them fit nowhere. */
export function place(vm: string | undefined, options: ProposalOptions): Promise<number> {
  return propose(
    options,
    ({ desired, observed, assessment }) => {
      if (vm !== undefined && desired.vms.get(vm)?.host !== AUTO) {
        const host = desired.vms.get(vm)?.host;
        const where = host === undefined ? 'is not in these manifests' : `is under ${host}`;
        throw new OperatorError('E_USAGE', `${vm} ${where}: place is for VMs under \`host: ${AUTO}\``);
      }
      const placement = proposePlaces({ desired, observed, capacity: assessment.capacity }, vm);
      const isNone = placement.moves.length + placement.left.length === 0;
      return {
        ...placement,
        subject: 'Choose hosts for new VMs',
        text: [isNone ? `no VM is under \`host: ${AUTO}\`` : moveTable(placement.moves, desired)],
        next: ['merge it, and the operator makes them: `kvm-gitops plan` shows how'],
      };
    },
    // In git it is a mistake; here it is the question.
    ({ config }) => {
      const { hosts = new Map() } = buildContext(config);
      const context = { hosts: new Map(hosts).set(AUTO, hosts.get(AUTO) ?? { address: '' }) };
      return ({ files }) => buildDesired(files, context);
    },
  );
}
