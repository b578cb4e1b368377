import { arrangeFleet } from '../core/fleet.ts';
import { proposeDrain } from '../core/placing/propose-drain.ts';
import { OperatorError } from '../errors.ts';
import { moveTable } from './move-table.ts';
import { type Proposal, type ProposalOptions, propose } from './proposal.ts';
import type { Accepted } from './proposed-change.ts';

/** Proposes where the VMs of a host go, so that it becomes empty. Exit code 1: some of them fit nowhere. */
export function drain(host: string, options: ProposalOptions): Promise<number> {
  return propose(options, (judged) => {
    const { desired, observed, assessment } = judged;
    const found = observed.hosts.get(host);
    if (found === undefined) throw new OperatorError('E_USAGE', `${host} is not in operator.yaml`);
    if (found.kind === 'unknown') {
      const reason = `${host} is unknown: ${found.reason}. Its VMs cannot be moved until it answers`;
      throw new OperatorError('E_SSH_UNREACHABLE', reason);
    }
    const placement = proposeDrain(host, { desired, observed, capacity: assessment.capacity });
    const count = placement.moves.length + placement.left.length;
    return {
      ...placement,
      subject: `Drain ${host}`,
      text: [
        ...(count === 0 ? [`git has no VM on ${host}`] : []),
        ...(placement.moves.length === 0 ? [] : [moveTable(placement.moves, desired)]),
        ...others(host, judged),
      ],
      next: next(host, judged),
    } satisfies Proposal;
  });
}

/** What keeps the host from being empty, and no patch can move. */
function others(host: string, { desired, observed }: Accepted): string[] {
  const found = observed.hosts.get(host);
  const vms = found?.kind === 'known' ? found.vms : [];
  const fleet = arrangeFleet(desired.cluster, observed);
  const kept = fleet.owned.filter(
    (one) =>
      one.host === host && one.mark.state === 'tombstone' && desired.vms.get(one.vm.name)?.host !== host,
  );
  const strangers = vms.filter(
    ({ name, mark }) => mark?.cluster !== desired.cluster && !desired.vms.has(name),
  );
  const names = (some: readonly { readonly name: string }[]) =>
    some
      .map(({ name }) => name)
      .toSorted()
      .join(', ');
  return [
    ...(strangers.length === 0 ? [] : [`not ours, and left there: ${names(strangers)}`]),
    ...(kept.length === 0
      ? []
      : [`removed from git, and kept there until their date: ${names(kept.map(({ vm }) => vm))}`]),
  ];
}

function next(host: string, { desired }: Accepted): string[] {
  const isActive = desired.hosts.get(host)?.state === 'active';
  return [
    ...(isActive
      ? [`add \`state: drained\` to ${host} in cluster.yaml, so that nothing new is made there`]
      : []),
    'merge it, and the operator moves them: `kvm-gitops plan` shows how, `kvm-gitops status` how far it is',
    `once ${host} is empty, \`state: offline\` keeps the operator from asking it while you work on it`,
  ];
}
