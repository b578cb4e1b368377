import type { Score } from '../core/placing/balance.ts';
import { proposeRebalance } from '../core/placing/propose-rebalance.ts';
import { moveTable } from './move-table.ts';
import { numberOf } from './options.ts';
import { type ProposalOptions, propose } from './proposal.ts';

interface RebalanceOptions extends ProposalOptions {
  readonly max: string;
  readonly minGain: string;
}

/** Proposes a few moves that even out how much of each host is promised, and what each gains. */
export function rebalance(options: RebalanceOptions): Promise<number> {
  const limits = {
    maxMoves: numberOf('--max', options.max),
    minGain: numberOf('--min-gain', options.minGain),
  };
  return propose(options, ({ desired, observed, assessment }) => {
    const world = { desired, observed, capacity: assessment.capacity };
    const { before, after, moves } = proposeRebalance(world, limits);
    const cells = (index: number) => {
      const score = moves[index]?.score ?? after;
      return [gainText(moves[index - 1]?.score ?? before, score)];
    };
    return {
      moves: moves.map(({ vm, from, to }) => ({ vm, from, to })),
      left: [],
      subject: 'Rebalance the hosts',
      text: [
        `now: ${scoreText(before)}`,
        ...(moves.length === 0
          ? [`no move gains ${limits.minGain} points or a place for a VM: nothing to do`]
          : [moveTable(moves, desired, { head: ['GAIN'], cells }), `then: ${scoreText(after)}`]),
      ],
      next: ['merge it, and the operator moves them: `kvm-gitops plan` shows how'],
      json: { before, after, scores: moves.map(({ score }) => score) },
    };
  });
}

function scoreText({ homeless, spread }: Score): string {
  const lost = homeless === 1 ? '1 VM has no place' : `${homeless} VMs have no place`;
  return `spread ${points(spread)}${homeless === 0 ? '' : `; ${lost} if its host is lost`}`;
}

function gainText(before: Score, after: Score): string {
  const places = before.homeless - after.homeless;
  const spread = `${points(before.spread - after.spread)} of spread`;
  return places === 0 ? spread : `${places} more with a place if a host is lost, ${spread}`;
}

/** `12.3 points` */
function points(value: number): string {
  return `${value.toFixed(1)} points`;
}
