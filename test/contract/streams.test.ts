import { expect, it } from 'vitest';
import { elementAt, parseXml, textAt } from '../../src/core/xml.ts';
import { type Extent, isHole } from '../../src/libvirt/byte-stream.ts';
import type { VolumeRef } from '../../src/libvirt/protocol/procedure.ts';
import { MIB } from './machine.ts';
import { onEveryHost } from './site.ts';

const EMPTY = "<volume><name>a</name><capacity>0</capacity><target><format type='raw'/></target></volume>";
const from = (volume: VolumeRef, offsetBytes = 0, lengthBytes = 0) => ({ volume, offsetBytes, lengthBytes });
const filled = (length: number, value: number) => Buffer.alloc(length, value);

/** Neighbours put together: libvirt cuts data where it likes. */
async function layoutOf(extents: AsyncIterable<Extent>): Promise<(string | number)[]> {
  const parts: { kind: string; bytes: number }[] = [];
  for await (const extent of extents) {
    const kind = isHole(extent) ? 'hole' : `data ${valueOf(extent)}`;
    const bytes = isHole(extent) ? extent.holeBytes : extent.length;
    const last = parts.at(-1);
    if (last?.kind === kind) last.bytes += bytes;
    else parts.push({ kind, bytes });
  }
  return parts.flatMap(({ kind, bytes }) => [kind, bytes]);
}

/** The one value that all of the bytes have. */
function valueOf(bytes: Buffer): string {
  const [first = 0] = bytes;
  return bytes.equals(filled(bytes.length, first)) ? `${first}` : 'of several values';
}

onEveryHost('sparse streams', (bench) => {
  const make = async () => bench.libvirt.volumes.create(await bench.libvirt.pools.byName('default'), EMPTY);
  const sizes = async (volume: VolumeRef) => {
    const { pools, volumes } = bench.libvirt;
    await pools.refresh(await pools.byName('default'));
    const { allocationBytes } = await volumes.info(volume);
    const physical = textAt(parseXml(await volumes.xml(volume)), 'physical');
    return { allocationBytes, physicalBytes: Number(physical ?? 0) };
  };

  it('carry holes both ways, at the beginning, between data and at the end', async () => {
    const { volumes } = bench.libvirt;
    const volume = await make();
    const extents = [
      { holeBytes: MIB },
      filled(MIB, 1),
      { holeBytes: 3 * MIB },
      filled(MIB / 2, 2),
      { holeBytes: 2 * MIB },
    ];
    await volumes.uploadSparse(from(volume), extents);
    expect(await sizes(volume)).toEqual({ allocationBytes: 1.5 * MIB, physicalBytes: 7.5 * MIB });
    expect(await layoutOf(volumes.downloadSparse(from(volume)))).toEqual([
      'hole',
      MIB,
      'data 1',
      MIB,
      'hole',
      3 * MIB,
      'data 2',
      MIB / 2,
      'hole',
      2 * MIB,
    ]);
    expect(await layoutOf(volumes.download(from(volume)))).toEqual([
      'data 0',
      MIB,
      'data 1',
      MIB,
      'data 0',
      3 * MIB,
      'data 2',
      MIB / 2,
      'data 0',
      2 * MIB,
    ]);
  });

  it.each([
    ['from within a hole to its end', MIB / 2, MIB / 2, ['hole', MIB / 2]],
    ['across a border', MIB / 2, MIB, ['hole', MIB / 2, 'data 1', MIB / 2]],
    ['from data into a hole', 1.5 * MIB, MIB, ['data 1', MIB / 2, 'hole', MIB / 2]],
    ['from data to the end', 1.5 * MIB, 0, ['data 1', MIB / 2, 'hole', MIB]],
    ['of more than there is', 2 * MIB, 5 * MIB, ['hole', MIB]],
    ['behind the end', 3 * MIB, 0, []],
  ])('read a range %s', async (_, offsetBytes, lengthBytes, layout) => {
    const { volumes } = bench.libvirt;
    const volume = await make();
    await volumes.uploadSparse(from(volume), [{ holeBytes: MIB }, filled(MIB, 1), { holeBytes: MIB }]);
    const extents = volumes.downloadSparse(from(volume, offsetBytes, lengthBytes));
    expect(await layoutOf(extents)).toEqual(layout);
  });

  it('of zeros that were written are data', async () => {
    const { volumes } = bench.libvirt;
    const volume = await make();
    await volumes.uploadSparse(from(volume), [filled(MIB, 0)]);
    expect(await layoutOf(volumes.downloadSparse(from(volume)))).toEqual(['data 0', MIB]);
  });

  it('of an empty file are empty', async () => {
    const { volumes } = bench.libvirt;
    const volume = await make();
    expect(await layoutOf(volumes.downloadSparse(from(volume)))).toEqual([]);
    await volumes.uploadSparse(from(volume), []);
    expect(await sizes(volume)).toEqual({ allocationBytes: 0, physicalBytes: 0 });
  });

  it('write over what is there, and past its end', async () => {
    const { volumes } = bench.libvirt;
    const volume = await make();
    await volumes.uploadSparse(from(volume), [filled(3 * MIB, 1)]);
    await volumes.uploadSparse(from(volume, MIB), [filled(MIB, 2)]);
    await volumes.upload(from(volume, 4 * MIB), [filled(MIB, 3)]);
    expect(await layoutOf(volumes.downloadSparse(from(volume)))).toEqual([
      'data 1',
      MIB,
      'data 2',
      MIB,
      'data 1',
      MIB,
      'hole',
      MIB,
      'data 3',
      MIB,
    ]);
  });

  it('end the file where a hole ends, and keep what was under the hole', async () => {
    const { volumes } = bench.libvirt;
    const volume = await make();
    await volumes.uploadSparse(from(volume), [filled(4 * MIB, 1)]);
    await volumes.uploadSparse(from(volume, MIB), [{ holeBytes: MIB }]);
    expect(await layoutOf(volumes.downloadSparse(from(volume)))).toEqual(['data 1', 2 * MIB]);
  });

  it('hold what had come when they broke off', async () => {
    const { volumes } = bench.libvirt;
    const volume = await make();
    async function* breaksOff() {
      yield { holeBytes: MIB };
      yield filled(MIB, 1);
      throw new Error('the source broke');
    }
    await expect(volumes.uploadSparse(from(volume), breaksOff())).rejects.toThrow('the source broke');
    const { physicalBytes } = await sizes(volume);
    expect(physicalBytes).toBeLessThanOrEqual(2 * MIB);
  });

  it('that nobody reads hold up only their own connection', async () => {
    const volume = await make();
    const own = await bench.libvirt.another();
    await own.volumes.uploadSparse(from(volume), [filled(24 * MIB, 1)]);
    const unread = own.volumes.downloadSparse(from(volume));
    await unread.next();
    expect(await bench.libvirt.volumes.path(volume)).toBe(volume.key);
    await unread.return();
    await own.close();
    expect(bench.libvirt.closed).toBeUndefined();
    expect(await bench.libvirt.volumes.info(volume)).toMatchObject({ capacityBytes: 24 * MIB });
  });

  it('do not hold up other calls of the connection', async () => {
    const { volumes } = bench.libvirt;
    const volume = await make();
    async function* source() {
      yield filled(MIB, 1);
      yield Buffer.from((await volumes.path(volume)).slice(-1));
    }
    await volumes.uploadSparse(from(volume), source());
    expect((await sizes(volume)).physicalBytes).toBe(MIB + 1);
    expect(elementAt(parseXml(await volumes.xml(volume)), 'backingStore')).toBeUndefined();
  });
});
