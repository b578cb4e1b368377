import { type Extent, lengthOf } from '../../libvirt/byte-stream.ts';

/** Passes on what is read, and tells the meter how much it is. */
export async function* metered<Part extends Extent>(
  source: AsyncIterable<Part>,
  meter: (bytes: number) => void,
): AsyncGenerator<Part> {
  for await (const part of source) {
    meter(lengthOf(part));
    yield part;
  }
}

/** Says how far it is, at each full tenth. */
export function createMeter(what: string, total: number, progress: (message: string) => void) {
  let bytes = 0;
  let told = -1;
  return (more: number) => {
    bytes += more;
    const tenth = Math.floor((bytes / Math.max(total, 1)) * 10);
    if (tenth === told) return;
    told = tenth;
    progress(`${what}: ${tenth * 10} % of ${Math.ceil(total / 1024 ** 2)} MiB`);
  };
}
