import type { Held } from './step.ts';

/** dnsmasq's place in a plan, where others name a host. */
export const DNSMASQ = 'dnsmasq';
/** The id of the step that writes the names. */
export const PUBLISH_ID = `publish ${DNSMASQ}/names`;

/** Why a VM cannot have its address or its name now. */
export interface Obstacle {
  readonly because: Held['because'];
  readonly reason: string;
  /** Worth saying of a VM that runs already. */
  readonly whileRunning: boolean;
  /** It keeps the entry that it has, and can start with that. */
  readonly isNoHindrance?: true;
}
