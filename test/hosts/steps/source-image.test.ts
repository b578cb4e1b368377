import { createHash } from 'node:crypto';
import { beforeEach, describe, expect, it } from 'vitest';
import type { BootDisk, DesiredState, Image } from '../../../src/core/desired.ts';
import { withContent } from '../../../src/core/images.ts';
import { stepId } from '../../../src/core/step.ts';
import type { SimulatedHost } from '../../../src/simulator/host.ts';
import { SparseContent } from '../../../src/simulator/sparse-content.ts';
import { imageFile } from '../../../src/simulator/volumes.ts';
import { desiredState, desiredVm, GIB } from '../../builders.ts';
import { applyCut, HOST_A, useBench, volumesOf } from '../bench.ts';

const bench = useBench({ hosts: [HOST_A, { ...HOST_A, name: 'b' }] });
const DISK = '/fast/centos7-vda.qcow2';
const source = { name: 'centos7', host: 'a' };
let disk: Buffer = Buffer.alloc(0);
let golden: Image = { name: 'golden', pool: 'default', volume: '', sourceVm: source };
let tests = 0;

/** A qcow2 disk of 3 GiB, with a hole in it. */
function qcow2(fill: number): Buffer {
  const content = Buffer.alloc(700_000, fill);
  content.fill(0, 0, 104).fill(0, 262_144, 524_288);
  content.writeUInt32BE(0x514649fb, 0);
  content.writeUInt32BE(3, 4);
  content.writeBigUInt64BE(BigInt(3 * GIB), 24);
  return content;
}

function sha256(content: Buffer): string {
  return createHash('sha256').update(content).digest('hex');
}

const volumeOf = (content: Buffer) => `base-${sha256(content).slice(0, 16)}.qcow2`;

/** Gives the disk of centos7 that content, past libvirt. */
function write(content: Buffer): void {
  const { storage } = bench.host;
  const size = { allocationBytes: content.length, physicalBytes: content.length };
  storage.putFile(DISK, { ...imageFile(3 * GIB, 0), ...size });
  const file = new SparseContent();
  file.write(0, content.subarray(0, 262_144));
  file.write(524_288, content.subarray(524_288));
  storage.putContent(DISK, file);
}

async function define(file = DISK, type = 'qcow2'): Promise<void> {
  const { domains } = await bench.libvirt();
  const drive = `<driver name='qemu' type='${type}'/><source file='${file}'/><target dev='vda' bus='virtio'/>`;
  await domains.define(`<domain type='kvm'><name>centos7</name><uuid>77777777-2222-4333-8444-555555555555</uuid><memory>131072</memory><os><type>hvm</type></os>
    <devices><disk type='file' device='disk'>${drive}</disk></devices></domain>`);
}

/** What the operator reads is kept: each test has an image and a content of its own. */
beforeEach(async () => {
  tests += 1;
  disk = qcow2(tests);
  golden = { ...golden, name: `golden${tests}` };
  write(disk);
  await define();
});

function wanting(
  change: Partial<BootDisk & { host: string; name: string }> = {},
  image = golden,
): DesiredState {
  const { host = 'b', name = 'web', ...boot } = change;
  const { bootDisk } = desiredVm({ name });
  return desiredState([desiredVm({ name, host, bootDisk: { ...bootDisk, image, ...boot } })]);
}

const on = (name: string): SimulatedHost => bench.simulator.host(name).host;

const contentOf = (host: string, path: string) =>
  on(host)
    .storage.content(path)
    .head(disk.length + 1);

async function messageOf(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => 'it went well',
    (error: unknown) => (error instanceof Error ? error.message : String(error)),
  );
}

async function failureOf(desired: DesiredState): Promise<string> {
  return messageOf(bench.apply((await bench.plan(desired)).steps));
}

describe('an image that is the disk of a VM', () => {
  it('is read on its host, brought to another as it is, and overlays are made of it there', async () => {
    const { steps } = await bench.plan(wanting());
    expect(steps.map((step) => [stepId(step), step.after, step.reason])).toMatchObject([
      [`image b/image ${golden.name}`, undefined, 'VMs are made of it: the disk of VM centos7 on a'],
      ['create b/web', [`image b/image ${golden.name}`], 'in git, not on the host'],
      ['start b/web', undefined, 'new'],
    ]);
    await bench.apply(steps);
    const { storage } = on('b');
    expect(contentOf('b', `/pool/${volumeOf(disk)}`).equals(disk)).toBe(true);
    expect(storage.file('/pool/web-vda.qcow2')).toMatchObject({
      capacityBytes: 3 * GIB,
      backing: { path: `/pool/${volumeOf(disk)}` },
    });
    expect(volumesOf(on('a'))).toEqual(['fast/centos7-vda.qcow2']);
    expect((await bench.plan(wanting())).steps).toEqual([]);
  });

  it('is copied whole where git says so, also on its own host', async () => {
    await bench.converge(wanting({ host: 'a', clone: 'full' }));
    expect(bench.host.storage.file('/pool/web-vda.qcow2')).toMatchObject({ capacityBytes: 3 * GIB });
    expect(bench.host.storage.file('/pool/web-vda.qcow2')?.backing).toBeUndefined();
    expect(contentOf('a', DISK).equals(disk)).toBe(true);
  });

  it('stays what it was when it was first read, though that VM has changed, runs, or is gone', async () => {
    await bench.converge(wanting());
    write(qcow2(100 + tests));
    const { domains } = await bench.libvirt();
    await domains.start(await domains.byName('centos7'));
    await bench.converge(wanting({ host: 'a', name: 'db' }));
    expect(contentOf('a', `/pool/${volumeOf(disk)}`).equals(disk)).toBe(true);
    await domains.destroy(await domains.byName('centos7'));
    await domains.undefine(await domains.byName('centos7'));
    expect((await bench.plan(wanting({ host: 'a', name: 'log' }))).held).toEqual([]);
  });

  it('is read anew under another name', async () => {
    await bench.converge(wanting());
    const changed = qcow2(100 + tests);
    write(changed);
    await bench.converge(wanting({ name: 'db' }, { ...golden, name: `${golden.name}b` }));
    expect(on('b').storage.file('/pool/db-vda.qcow2')?.backing?.path).toBe(`/pool/${volumeOf(changed)}`);
    expect(on('b').storage.file('/pool/web-vda.qcow2')?.backing?.path).toBe(`/pool/${volumeOf(disk)}`);
  });

  it('is what git names by its sha256, or nothing is made of it', async () => {
    const pinned = (content: Buffer) => withContent(golden, { sha256: sha256(content), format: 'qcow2' });
    const other = qcow2(100 + tests);
    const message = await failureOf(wanting({}, pinned(other)));
    expect(message).toContain('the disk of VM centos7 on a does not have the sha256 that git names');
    expect(message).not.toContain(sha256(disk));
    expect(volumesOf(on('b'))).toEqual([]);
    await bench.converge(wanting({}, pinned(disk)));
    expect(contentOf('b', `/pool/${volumeOf(disk)}`).equals(disk)).toBe(true);
  });

  it('is there once and whole, whichever call of its reading loses its answer', async () => {
    const first = { ...golden };
    for (let at = 0; ; at++) {
      bench.clear();
      golden = { ...first, name: `${first.name}at${at}` };
      disk = qcow2(tests).fill(at, 600_000);
      write(disk);
      await define();
      const { steps } = await bench.plan(wanting());
      const { failure, isOver } = await applyCut(bench, steps.slice(0, 1), { at });
      if (isOver) break;
      expect({ at, failure }).toMatchObject({ at, failure: { code: 'E_OUTCOME_UNKNOWN' } });
      await bench.converge(wanting());
      expect(volumesOf(on('b'))).toEqual([`default/${volumeOf(disk)}`, 'default/web-vda.qcow2']);
      expect(contentOf('b', `/pool/${volumeOf(disk)}`).equals(disk)).toBe(true);
    }
  }, 60_000);

  it('is refused where that VM starts, or its disk is written to, while it is read', async () => {
    const { domains } = await bench.libvirt();
    const during = (act: () => void) => {
      bench.host.intercept = (_, name) => {
        if (name === 'storageVolDownload') act();
        return 'pass';
      };
    };
    during(() => write(qcow2(100 + tests)));
    expect(await failureOf(wanting())).toContain(`${DISK} was written to while it was read`);
    bench.host.intercept = undefined;
    const { steps } = await bench.plan(wanting());
    await domains.start(await domains.byName('centos7'));
    expect(await messageOf(bench.apply(steps))).toContain('it is running: shut it off');
    expect(volumesOf(on('b'))).toEqual([]);
  });

  it('is refused where the disk is an overlay, with what to do', async () => {
    const file = bench.host.storage.file(DISK) ?? imageFile(3 * GIB, 0);
    bench.host.storage.putFile(DISK, { ...file, backing: { path: '/pool/debian.qcow2', format: 'qcow2' } });
    const message = await failureOf(wanting());
    expect(message).toContain(`${DISK} is an overlay of /pool/debian.qcow2, and an image has to stand alone`);
    expect(message).toContain('virsh vol-clone');
  });

  it('is no qcow2 file because a guest wrote such a header into its raw disk', async () => {
    await define(DISK, 'raw');
    expect(await failureOf(wanting())).toContain(
      'the disk of VM centos7 on a is qcow2, and raw by the definition of that VM',
    );
  });

  it('is read once, though several hosts need it at the same time', async () => {
    const both = desiredState(
      [wanting(), wanting({ host: 'a', name: 'db' })].flatMap(({ vms }) => [...vms.values()]),
    );
    const { steps } = await bench.plan(both);
    let reads = 0;
    bench.host.intercept = (_, name) => {
      if (name === 'storageVolDownload') reads += 1;
      return 'pass';
    };
    const brought = steps.filter(({ kind }) => kind === 'image');
    await Promise.all(brought.map((step) => bench.hosts.apply(step, () => undefined)));
    // The disk, and the copy on its own host that is read back.
    expect(reads).toBe(2);
    bench.host.intercept = undefined;
    expect(await bench.converge(both)).toContain('create db');
  });

  it.each([
    ['there is no such VM', async () => undefine(), 'there is no VM of that name'],
    ['that VM runs', async () => start(), 'it is running: shut it off'],
    [
      'its disk is in no pool',
      async () => define('/elsewhere/x.qcow2'),
      '/elsewhere/x.qcow2 is in no active storage pool',
    ],
  ])('holds the VMs that need it where %s', async (_, arrange, reason) => {
    await arrange();
    const { steps, held } = await bench.plan(wanting());
    expect(steps).toEqual([]);
    expect(held).toMatchObject([
      { subject: 'web', because: 'conflict', reason: expect.stringContaining(reason) },
    ]);
  });
});

async function undefine(): Promise<void> {
  const { domains } = await bench.libvirt();
  await domains.undefine(await domains.byName('centos7'));
}

async function start(): Promise<void> {
  const { domains } = await bench.libvirt();
  await domains.start(await domains.byName('centos7'));
}
