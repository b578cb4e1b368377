import type { StepKind } from './step.ts';

/** How a kind of step is spoken of. */
interface Words {
  /** Before it in a plan: `+` makes, `~` changes, `>` starts, `.` stops, `-` removes, `!` deletes for good. */
  readonly sign: '+' | '~' | '>' | '.' | '-' | '!';
  /** `created web-1` */
  readonly done: string;
}

/** The words of every kind of step: a new kind has its row here. */
export const STEP_WORDS: Readonly<Record<StepKind, Words>> = {
  create: { sign: '+', done: 'created' },
  adopt: { sign: '+', done: 'adopted' },
  start: { sign: '>', done: 'started' },
  restart: { sign: '>', done: 'restarted' },
  stop: { sign: '.', done: 'stopped' },
  autostart: { sign: '~', done: 'set autostart of' },
  resize: { sign: '~', done: 'resized' },
  grow: { sign: '~', done: 'grew a disk of' },
  attach: { sign: '+', done: 'attached a disk to' },
  detach: { sign: '-', done: 'detached a disk from' },
  reclaim: { sign: '!', done: 'deleted a kept volume of' },
  rewire: { sign: '~', done: 'rewired' },
  describe: { sign: '~', done: 'described' },
  seed: { sign: '~', done: 'wrote the seed of' },
  hostname: { sign: '~', done: 'set the host name of' },
  mark: { sign: '~', done: 'marked' },
  remove: { sign: '-', done: 'removed' },
  restore: { sign: '+', done: 'restored' },
  pool: { sign: '+', done: 'set up' },
  image: { sign: '+', done: 'brought' },
  purge: { sign: '!', done: 'purged' },
  snapshot: { sign: '+', done: 'took a snapshot of' },
  merge: { sign: '-', done: 'merged a snapshot of' },
  revert: { sign: '!', done: 'reverted' },
  request: { sign: '~', done: 'wrote a request for' },
  depart: { sign: '.', done: 'sent off' },
  receive: { sign: '+', done: 'received' },
  migrate: { sign: '+', done: 'took over' },
  retire: { sign: '-', done: 'retired the old copy of' },
  abandon: { sign: '-', done: 'gave up the copy of' },
  recall: { sign: '~', done: 'called back' },
  publish: { sign: '~', done: 'published' },
  release: { sign: '-', done: 'released' },
};

/** `created it`; of a verb of two words: `sent it off`. */
export function doneToIt(kind: StepKind): string {
  const { done } = STEP_WORDS[kind];
  const [, verb, particle] = /^(\w+) (off|back|up)$/.exec(done) ?? [];
  return particle === undefined ? `${done} it` : `${verb} it ${particle}`;
}
