import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { DesiredState, ImageContent } from '../../../src/core/desired.ts';
import { stepId } from '../../../src/core/step.ts';
import { createHosts } from '../../../src/hosts/hosts.ts';
import { openCheckedVolumes } from '../../../src/hosts/images/checked-volumes.ts';
import { openImageFiles } from '../../../src/hosts/images/image-files.ts';
import { desiredState, desiredVm, GIB } from '../../builders.ts';
import { applyCut, connectionTo, HOST_A, NO_INVENTORY, SETTINGS, useBench, volumesOf } from '../bench.ts';

const bench = useBench({ hosts: [HOST_A] });
const folder = mkdtempSync(join(tmpdir(), 'kvm-gitops-images-'));
const FILE = join(folder, 'debian.qcow2');
const image = qcow2(1);
afterAll(() => rmSync(folder, { recursive: true, force: true }));
beforeEach(() => writeFileSync(FILE, image));

/** A file with the header of a qcow2 disk of 3 GiB, and something in it. */
function qcow2(fill: number, change: (header: Buffer) => void = () => undefined): Buffer {
  const content = Buffer.alloc(600_000, fill);
  content.fill(0, 0, 104);
  content.writeUInt32BE(0x514649fb, 0);
  content.writeUInt32BE(3, 4);
  content.writeBigUInt64BE(BigInt(3 * GIB), 24);
  change(content);
  return content;
}

function sha256(content: Buffer): string {
  return createHash('sha256').update(content).digest('hex');
}

const VOLUME = `base-${sha256(image).slice(0, 16)}.qcow2`;

function wanting(change: Partial<ImageContent> = {}): DesiredState {
  const content = { file: FILE, sha256: sha256(image), format: 'qcow2', ...change } as const;
  const brought = { name: 'debian', pool: 'fast', volume: VOLUME, content };
  return desiredState([desiredVm({ bootDisk: { ...desiredVm().bootDisk, image: brought } })]);
}

async function messageOf(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => 'it went well',
    (error: unknown) => (error instanceof Error ? error.message : String(error)),
  );
}

async function upload(content: Buffer): Promise<void> {
  const { pools, volumes } = await bench.libvirt();
  const xml = `<volume><name>${VOLUME}</name><capacity>0</capacity><target><format type='raw'/></target></volume>`;
  const volume = await volumes.create(await pools.byName('fast'), xml);
  await volumes.upload({ volume, offsetBytes: 0, lengthBytes: 0 }, [content]);
}

describe('an image that is a file of the operator', () => {
  it('is brought, read-only, before the VMs that are made of it', async () => {
    const { steps } = await bench.plan(wanting());
    expect(steps.map((step) => [stepId(step), step.after])).toEqual([
      ['image a/image debian', undefined],
      ['create a/web', ['image a/image debian']],
      ['start a/web', undefined],
    ]);
    await bench.apply(steps);
    expect(sha256(bench.host.storage.content(`/fast/${VOLUME}`).head(image.length + 1))).toBe(sha256(image));
    expect(bench.host.storage.file(`/fast/${VOLUME}`)).toMatchObject({ mode: '0444', format: 'qcow2' });
    expect(bench.host.storage.file('/pool/web-vda.qcow2')).toMatchObject({
      capacityBytes: 3 * GIB,
      backing: { path: `/fast/${VOLUME}` },
    });
    expect((await bench.plan(wanting())).steps).toEqual([]);
  });

  it('shows how large it is before it is brought: a boot disk that is to be smaller waits', async () => {
    const { images } = await bench.observe(wanting());
    expect([...(images?.values() ?? [])]).toEqual([{ bytes: image.length, capacity: 3 * GIB }]);
    const web = wanting().vms.get('web');
    const bootDisk = { ...desiredVm().bootDisk, ...web?.bootDisk, sizeGiB: 2 };
    expect((await bench.plan(desiredState([desiredVm({ bootDisk })]))).held).toMatchObject([
      { reason: expect.stringContaining('base image debian has 3 GiB: a disk does not shrink') },
    ]);
  });

  it('is not copied again when the step is made again', async () => {
    const { steps } = await bench.plan(wanting());
    await bench.apply(steps.slice(0, 1));
    let transfers = 0;
    bench.host.intercept = (_, name) => {
      if (/Upload|Download|Delete|CreateXml/.test(name)) transfers += 1;
      return 'pass';
    };
    await bench.apply(steps.slice(0, 1));
    expect(transfers).toBe(0);
  });

  it('is there once and whole, whichever call of its copying loses its answer', async () => {
    for (let at = 0; ; at++) {
      bench.clear();
      const { steps } = await bench.plan(wanting());
      const { failure, isOver } = await applyCut(bench, steps.slice(0, 1), { at });
      if (isOver) break;
      expect({ at, failure }).toMatchObject({ at, failure: { code: 'E_OUTCOME_UNKNOWN' } });
      await bench.converge(wanting());
      expect(sha256(bench.host.storage.content(`/fast/${VOLUME}`).head(image.length + 1))).toBe(
        sha256(image),
      );
      expect(volumesOf(bench.host)).toEqual(['default/web-vda.qcow2', `fast/${VOLUME}`]);
    }
  }, 60_000);

  it('is copied again where a copy was cut short', async () => {
    await upload(image.subarray(0, 100_000));
    expect(await bench.converge(wanting())).toContain('image image debian');
    expect(sha256(bench.host.storage.content(`/fast/${VOLUME}`).head(image.length + 1))).toBe(sha256(image));
  });

  it('is taken as it is where a person has put it', async () => {
    await upload(image);
    let uploads = 0;
    bench.host.intercept = (_, name) => {
      if (name === 'storageVolUpload') uploads += 1;
      return 'pass';
    };
    await bench.converge(wanting());
    expect(uploads).toBe(0);
  });

  it('is neither used nor deleted where it is as long and something else', async () => {
    await upload(qcow2(2));
    const { steps } = await bench.plan(wanting());
    expect(await messageOf(bench.apply(steps))).toContain('is not what its name says');
    expect(volumesOf(bench.host)).toEqual([`fast/${VOLUME}`]);
  });

  it('is not deleted, however short, while something is made of it', async () => {
    await upload(image.subarray(0, 100_000));
    const { pools, volumes } = await bench.libvirt();
    const backing = `<backingStore><path>/fast/${VOLUME}</path><format type='raw'/></backingStore>`;
    const xml = `<volume><name>other.qcow2</name><target><format type='qcow2'/></target>${backing}</volume>`;
    await volumes.create(await pools.byName('default'), xml);
    const { steps } = await bench.plan(wanting());
    expect(await messageOf(bench.apply(steps))).toContain(
      'volume other.qcow2 of pool default, an overlay of it uses it',
    );
    expect(volumesOf(bench.host)).toContain(`fast/${VOLUME}`);
  });

  it('is copied once into a folder that two hosts see, though both bring it at the same time', async () => {
    const { simulator } = bench;
    const state = mkdtempSync(join(folder, 'two-'));
    // One simulated host under two names: whatever one writes, the other sees.
    const connections = ['a', 'b'].map((name) => ({ ...connectionTo(simulator, simulator.host('a')), name }));
    const hosts = createHosts({
      connections,
      inventory: NO_INVENTORY,
      settings: SETTINGS,
      images: { files: await openImageFiles(state, 10_000), checked: await openCheckedVolumes(state) },
      observeTimeoutMs: 5000,
    });
    let uploads = 0;
    bench.host.intercept = (_, name) => {
      if (name === 'storageVolUpload') uploads += 1;
      return 'pass';
    };
    const [step] = (await bench.plan(wanting())).steps;
    if (step?.kind !== 'image') throw new Error('no image is to be brought');
    const both = ['a', 'b'].map((host) => hosts.apply({ ...step, host }, () => undefined));
    try {
      await Promise.all(both);
    } finally {
      for (const connection of connections) connection.close();
    }
    expect(uploads).toBe(1);
    expect(sha256(bench.host.storage.content(`/fast/${VOLUME}`).head(image.length + 1))).toBe(sha256(image));
  });

  it('has nothing made of it once somebody wrote to it', async () => {
    const { steps } = await bench.plan(wanting());
    await bench.apply(steps.slice(0, 1));
    const file = bench.host.storage.file(`/fast/${VOLUME}`);
    if (file === undefined) throw new Error('it was not brought');
    bench.host.storage.putFile(`/fast/${VOLUME}`, file);
    expect(await messageOf(bench.apply(steps.slice(1)))).toContain('was not checked, or has changed since');
  });

  it.each([
    ['another sha256', { sha256: 'ab'.repeat(32) }, image, 'does not have the sha256 that git names'],
    ['a path to nothing', { file: '/nowhere/x.qcow2' }, image, '/nowhere/x.qcow2 cannot be read'],
    ['a path to a folder', { file: folder }, image, 'is no file'],
    ['another format', { format: 'raw' as const }, image, 'is qcow2, and raw in git'],
    [
      'a backing file',
      {},
      qcow2(1, (header) => header.writeBigUInt64BE(200n, 8)),
      'needs a backing file: flatten it',
    ],
    [
      'an external data file',
      {},
      qcow2(1, (header) => header.writeBigUInt64BE(4n, 72)),
      'needs an external data file: flatten it',
    ],
  ])('with %s is refused, and nothing is copied', async (_, change, content, reason) => {
    writeFileSync(FILE, content);
    const sum = content === image ? {} : { sha256: sha256(content) };
    const { steps } = await bench.plan(wanting({ ...sum, ...change }));
    const message = await messageOf(bench.apply(steps));
    expect(message).toContain(reason);
    // It would tell the content of any file to whoever can commit.
    expect(message).not.toContain(sha256(content));
    expect(volumesOf(bench.host)).toEqual([]);
  });
});

describe('an image behind a URL', () => {
  let server: Server;
  let requests: string[] = [];
  const urlOf = (path: string) => {
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('the server does not listen');
    return `http://127.0.0.1:${address.port}${path}`;
  };
  beforeAll(async () => {
    server = createServer((request, response) => {
      requests.push(request.url ?? '');
      if (request.url === '/image') response.end(image);
      else if (request.url === '/away') response.writeHead(302, { location: '/image' }).end();
      else if (request.url === '/local') response.writeHead(302, { location: `file://${FILE}` }).end();
      else if (request.url === '/short')
        response.writeHead(200, { 'content-length': 10 }).write('x', () => response.destroy());
      else response.writeHead(404).end();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  });
  afterAll(() => void server.close());
  const behind = (path: string, sum = sha256(image)) => {
    const { file: _, ...content } = wanting().vms.get('web')?.bootDisk?.image.content ?? {};
    const brought = {
      name: 'debian',
      pool: 'fast',
      volume: VOLUME,
      content: { format: 'qcow2', ...content, sha256: sum, url: urlOf(path) },
    } as const;
    return desiredState([desiredVm({ bootDisk: { ...desiredVm().bootDisk, image: brought } })]);
  };

  it('says why it cannot be fetched', async () => {
    const tried = async (path: string, sum?: string) =>
      messageOf(bench.apply((await bench.plan(behind(path, sum))).steps));
    expect(await tried('/nothing')).toContain('cannot be fetched: the server answers 404');
    expect(await tried('/local')).toContain('cannot be fetched');
    expect(await tried('/short')).toContain('cannot be fetched');
    expect(await tried('/image', 'ab'.repeat(32))).toContain('does not have the sha256 that git names');
    expect(volumesOf(bench.host)).toEqual([]);
  });

  it('is fetched once, over redirects, and brought', async () => {
    requests = [];
    await bench.converge(behind('/away'));
    bench.clear();
    await bench.converge(behind('/away'));
    expect(requests).toEqual(['/away', '/image']);
    expect(sha256(bench.host.storage.content(`/fast/${VOLUME}`).head(image.length + 1))).toBe(sha256(image));
  });
});
