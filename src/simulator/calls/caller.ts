import type { RawEvent } from '../../libvirt/protocol/event.ts';
import type { SimulatedHost } from '../host.ts';
import type { StreamEnd } from '../volume-stream.ts';

/** Begins the daemon's end of a stream. */
export type OpenStream = (client: StreamEnd) => StreamEnd;

/** Who calls: one connection to a host's libvirtd. */
export interface Caller {
  readonly host: SimulatedHost;
  /** `connectOpen` has been called. */
  opened: boolean;
  send(event: RawEvent): void;
  /** The call that is answered now opens a stream: this is begun once it is answered. */
  openStream(open: OpenStream): void;
}
