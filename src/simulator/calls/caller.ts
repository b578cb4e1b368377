import type { RawEvent } from '../../libvirt/protocol/event.ts';
import type { SimulatedHost } from '../host.ts';

/** Who calls: one connection to a host's libvirtd. */
export interface Caller {
  readonly host: SimulatedHost;
  /** `connectOpen` has been called. */
  opened: boolean;
  send(event: RawEvent): void;
}
