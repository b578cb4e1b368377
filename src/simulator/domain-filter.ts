import { type Domain, STATE } from './domain.ts';

/** virConnectListAllDomainsFlags; those of one row are alternatives, the rows go together. */
const ROWS: readonly (readonly (readonly [flag: number, test: (domain: Domain) => boolean])[])[] = [
  [
    [1, ({ run }) => run !== undefined],
    [2, ({ run }) => run === undefined],
  ],
  [
    [4, ({ config }) => config !== undefined],
    [8, ({ config }) => config === undefined],
  ],
  [
    [16, (domain) => stateOf(domain).state === STATE.running],
    [32, (domain) => stateOf(domain).state === STATE.paused],
    [64, (domain) => stateOf(domain).state === STATE.shutoff],
    [128, () => false],
  ],
  [
    [256, ({ saved }) => saved !== undefined],
    [512, ({ saved }) => saved === undefined],
  ],
  [
    [1024, ({ autostart }) => autostart],
    [2048, ({ autostart }) => !autostart],
  ],
  [
    [4096, ({ snapshots }) => snapshots.length > 0],
    [8192, ({ snapshots }) => snapshots.length === 0],
  ],
  // There are no checkpoints.
  [
    [16_384, () => false],
    [32_768, () => true],
  ],
];

/** All flags that filter domains. */
export const DOMAIN_FILTERS = 0xffff;

/** Whether a domain passes a filter. */
export function passes(domain: Domain, flags: number): boolean {
  return ROWS.every((row) => {
    const asked = row.filter(([flag]) => (flags & flag) !== 0);
    return asked.length === 0 || asked.some(([, test]) => test(domain));
  });
}

/** virDomainState and its reason. */
export function stateOf({ run, offReason }: Domain): { state: number; reason: number } {
  return run === undefined
    ? { state: STATE.shutoff, reason: offReason }
    : { state: run.state, reason: run.reason };
}
