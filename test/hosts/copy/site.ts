import { afterAll, beforeAll, beforeEach } from 'vitest';
import type { CopyOptions } from '../../../src/hosts/copy/copy-volume.ts';
import type { VolumeEnd } from '../../../src/hosts/copy/volume-end.ts';
import type { Extent } from '../../../src/libvirt/byte-stream.ts';
import { isHole } from '../../../src/libvirt/byte-stream.ts';
import type { SimulatedHost } from '../../../src/simulator/host.ts';
import { type Simulator, startSimulator } from '../../../src/simulator/simulator.ts';
import { SparseContent } from '../../../src/simulator/sparse-content.ts';
import { connectionTo, HOST_A, POOL } from '../bench.ts';

export const PIECE = 64 * 1024;
export const PATH = `${POOL}/disk`;

/** Two simulated hosts and a connection to each, which is opened again after a loss. */
export interface CopySite {
  readonly from: SimulatedHost;
  readonly to: SimulatedHost;
  ends(): Promise<readonly [from: VolumeEnd, to: VolumeEnd]>;
}

/** One site for the tests of a file; both hosts are empty before each. */
export function useCopySite(): CopySite {
  let simulator: Simulator | undefined;
  let connections: ReturnType<typeof connectionTo>[] = [];
  const hostNamed = (name: string) => {
    if (simulator === undefined) throw new Error('only inside a test');
    return simulator.host(name).host;
  };
  beforeAll(async () => {
    const started = await startSimulator({ hosts: [HOST_A, { ...HOST_A, name: 'b' }] });
    simulator = started;
    connections = started.hosts.map((host) => connectionTo(started, host));
  });
  beforeEach(() => {
    for (const host of [hostNamed('a'), hostNamed('b')]) {
      host.intercept = undefined;
      for (const [path] of host.storage.files()) host.storage.removeFile(path);
      for (const pool of host.storage.pools()) host.storage.refresh(pool);
    }
  });
  afterAll(async () => {
    for (const connection of connections) connection.close();
    await simulator?.stop();
  });
  const endOn = async (index: number): Promise<VolumeEnd> => {
    const connection = connections[index];
    if (connection === undefined) throw new Error('only inside a test');
    const { libvirt } = await connection.get();
    return { host: connection.name, client: libvirt, pool: 'default', name: 'disk' };
  };
  return {
    get from() {
      return hostNamed('a');
    },
    get to() {
      return hostNamed('b');
    },
    ends: async () => [await endOn(0), await endOn(1)],
  };
}

/** Puts a file with that content into the pool of a host. */
export function putDisk(host: SimulatedHost, extents: readonly Extent[], format = 'raw'): void {
  const content = new SparseContent();
  for (const extent of extents) {
    if (isHole(extent)) content.truncate(content.lengthBytes + extent.holeBytes);
    else content.write(content.lengthBytes, extent);
  }
  const { lengthBytes, storedBytes } = content;
  const sizes = { capacityBytes: lengthBytes, physicalBytes: lengthBytes, allocationBytes: storedBytes };
  host.storage.putFile(PATH, { format, ...sizes });
  host.storage.putContent(PATH, content);
  for (const pool of host.storage.pools()) host.storage.refresh(pool);
}

/** Bytes that differ from each other, and from one seed to another. */
export function noise(bytes: number, seed = 1): Buffer {
  const made = Buffer.alloc(bytes);
  let state = seed;
  for (let at = 0; at < bytes; at++) {
    state = (state * 48_271) % 2_147_483_647;
    made[at] = state & 0xff;
  }
  return made;
}

/** All that is in the disk of a host. */
export function contentOf(host: SimulatedHost): Buffer {
  return host.storage.content(PATH).head(Number.MAX_SAFE_INTEGER);
}

/** What the disk takes up. */
export function storedOn(host: SimulatedHost): number {
  return host.storage.content(PATH).storedBytes;
}

/** Counts the bytes that pass, and does something when so many have. */
export function counter(at = Number.POSITIVE_INFINITY, act: () => void = () => {}) {
  let bytes = 0;
  const limit: NonNullable<CopyOptions['limit']> = {
    async take(more) {
      if (bytes < at && bytes + more >= at) act();
      bytes += more;
    },
  };
  return { limit, bytes: () => bytes };
}
