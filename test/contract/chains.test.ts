import { expect, it } from 'vitest';
import { renderVolume } from '../../src/core/volume-xml.ts';
import { elementAt, elementsAt, parseXml } from '../../src/core/xml.ts';
import type { DomainRef } from '../../src/libvirt/protocol/procedure.ts';
import { waitFor } from '../lab/wait.ts';
import { MIB, machineXml, makeMachine, makeVolume } from './machine.ts';
import { failureOf, onEveryHost, POOL_PATH } from './site.ts';

const HOW = { diskOnly: true, atomic: true, noMetadata: true, reuseExternal: true } as const;
const JOB = { timeoutMs: 30_000 };
const path = (name: string) => `${POOL_PATH}/${name}.qcow2`;

/** A snapshot of those disks, each to go on in the file of that name. */
function into(files: Readonly<Record<string, string>>): string {
  const disks = Object.entries(files).map(
    ([target, name]) =>
      `<disk name='${target}' snapshot='external' type='file'><driver type='qcow2'/><source file='${path(name)}'/></disk>`,
  );
  return `<domainsnapshot><disks>${disks.join('')}</disks></domainsnapshot>`;
}

onEveryHost('chains of files', (bench) => {
  /** The files behind a disk, as its XML names them. */
  async function filesOf(domain: DomainRef, { inactive = false, target = 'vda' } = {}): Promise<string[]> {
    const xml = parseXml(await bench.libvirt.domains.xml(domain, { inactive }));
    const disk = elementsAt(xml, 'devices', 'disk').find(
      (one) => elementAt(one, 'target')?.getAttribute('dev') === target,
    );
    return [...(disk?.getElementsByTagName('source') ?? [])]
      .filter((source) => source.parentNode?.nodeName !== 'mirror')
      .map((source) => (source.getAttribute('file') ?? '').replace(/^.*\/(.*)\.qcow2$/, '$1'));
  }

  async function makeOverlay(name: string, backing: string): Promise<void> {
    const { pools, volumes } = bench.libvirt;
    const xml = renderVolume(`${name}.qcow2`, 16 * MIB, { path: path(backing), format: 'qcow2' });
    await volumes.create(await pools.byName('default'), xml);
  }

  /** A running VM whose disk has been switched to each of the overlays in turn. */
  async function makeChain(...overlays: readonly string[]): Promise<DomainRef> {
    const { chains, domains } = bench.libvirt;
    const domain = await domains.start(await makeMachine(bench.libvirt, 'web'));
    let backing = 'web-vda';
    for (const overlay of overlays) {
      await makeOverlay(overlay, backing);
      await chains.snapshot(domain, into({ vda: overlay }), HOW);
      backing = overlay;
    }
    return domain;
  }

  const range = (base: string, top: string) => ({ disk: 'vda', base: path(base), top: path(top) });
  const jobIsReady = (domain: DomainRef) =>
    waitFor('the job', async () => (await bench.libvirt.chains.job(domain, 'vda'))?.ready === true, JOB);

  it('grow by a file that is there, in what runs and in its definition, and leave no record', async () => {
    const domain = await makeChain('one');
    expect(await filesOf(domain)).toEqual(['one', 'web-vda']);
    expect(await filesOf(domain, { inactive: true })).toEqual(['one', 'web-vda']);
    expect(await bench.libvirt.chains.snapshotNames(domain)).toEqual([]);
    expect(await bench.libvirt.domains.list({ snapshot: true })).toEqual([]);
  });

  it('grow for all disks at once', async () => {
    const { chains, domains } = bench.libvirt;
    await makeVolume(bench.libvirt, 'web-vda.qcow2');
    await makeVolume(bench.libvirt, 'web-vdb.qcow2');
    const dataDisks = [{ target: 'vdb', pool: 'default', volume: 'web-vdb.qcow2', sizeGiB: 1 }];
    const domain = await domains.start(await domains.define(machineXml('web', { dataDisks })));
    await makeOverlay('a', 'web-vda');
    await makeOverlay('b', 'web-vdb');
    await chains.snapshot(domain, into({ vda: 'a', vdb: 'b' }), HOW);
    expect(await filesOf(domain)).toEqual(['a', 'web-vda']);
    expect(await filesOf(domain, { target: 'vdb' })).toEqual(['b', 'web-vdb']);
  });

  it('grow by no file that is missing, nor by one that is written to', async () => {
    const { chains } = bench.libvirt;
    const domain = await makeChain('one');
    expect(await failureOf(chains.snapshot(domain, into({ vda: 'none' }), HOW))).toEqual({
      code: 'SYSTEM_ERROR',
      domain: 10,
      message: `missing existing file for disk vda: ${path('none')}: No such file or directory`,
    });
    const twice = await failureOf(chains.snapshot(domain, into({ vda: 'one' }), HOW));
    expect(twice).toMatchObject({ code: 'INTERNAL_ERROR', domain: 10 });
    expect(twice.message).toContain(
      `unable to execute QEMU command 'blockdev-add': Failed to get "write" lock`,
    );
    expect(await filesOf(domain)).toEqual(['one', 'web-vda']);
  });

  it('grow without a pause for the file systems where there is no agent, or not at all', async () => {
    const { chains } = bench.libvirt;
    const domain = await makeChain();
    await makeOverlay('one', 'web-vda');
    const attempt = chains.snapshot(domain, into({ vda: 'one' }), { ...HOW, quiesce: true });
    expect(await failureOf(attempt)).toEqual({
      code: 'AGENT_UNRESPONSIVE',
      domain: 10,
      message: 'Guest agent is not responding: QEMU guest agent is not connected',
    });
    expect(await filesOf(domain)).toEqual(['web-vda']);
  });

  it('lose what the guest writes to once its job is ended with a pivot', async () => {
    const { chains } = bench.libvirt;
    const domain = await makeChain('one');
    await chains.commit(domain, range('web-vda', 'one'), { active: true });
    await jobIsReady(domain);
    expect((await filesOf(domain))[0]).toBe('one');
    await chains.endJob(domain, 'vda', { pivot: true });
    expect(await filesOf(domain)).toEqual(['web-vda']);
    expect(await filesOf(domain, { inactive: true })).toEqual(['web-vda']);
    expect(await chains.job(domain, 'vda')).toBeUndefined();
  });

  it('lose what the guest writes to though it is paused, and go on so after its end', async () => {
    const { chains, domains } = bench.libvirt;
    const domain = await makeChain('one', 'two');
    await domains.destroy(domain);
    const paused = await domains.start(domain, { paused: true });
    await chains.commit(paused, range('one', 'two'), { active: true });
    await jobIsReady(paused);
    await chains.endJob(paused, 'vda', { pivot: true });
    await domains.destroy(paused);
    expect((await filesOf(domain, { inactive: true }))[0]).toBe('one');
  });

  it('keep what the guest writes to when its job is ended without a pivot', async () => {
    const { chains } = bench.libvirt;
    const domain = await makeChain('one');
    await chains.commit(domain, range('web-vda', 'one'), { active: true });
    await jobIsReady(domain);
    await chains.endJob(domain, 'vda');
    expect(await filesOf(domain)).toEqual(['one', 'web-vda']);
  });

  it('lose a file in the middle, and what is above it is told; a pool says so after its next refresh', async () => {
    const { chains, pools, volumes } = bench.libvirt;
    const domain = await makeChain('one', 'two');
    await chains.commit(domain, range('web-vda', 'one'));
    await waitFor('the job', async () => (await chains.job(domain, 'vda')) === undefined, JOB);
    expect(await filesOf(domain)).toEqual(['two', 'web-vda']);
    expect(await filesOf(domain, { inactive: true })).toEqual(['two', 'web-vda']);
    const pool = await pools.byName('default');
    await pools.refresh(pool);
    const xml = await volumes.xml(await volumes.byName(pool, 'two.qcow2'));
    expect(xml).toContain(`<path>${path('web-vda')}</path>`);
  });

  it('have one job at a time, and do not grow meanwhile', async () => {
    const { chains } = bench.libvirt;
    const domain = await makeChain('one');
    await makeOverlay('two', 'one');
    await chains.commit(domain, range('web-vda', 'one'), { active: true });
    const busy = {
      code: 'BLOCK_COPY_ACTIVE',
      domain: 10,
      message: "block copy still active: disk 'vda' already in active block job",
    };
    const again = chains.commit(domain, range('web-vda', 'one'), { active: true });
    expect(await failureOf(again)).toEqual(busy);
    expect(await failureOf(chains.snapshot(domain, into({ vda: 'two' }), HOW))).toEqual(busy);
  });

  it.each([
    ['of a file that is not in it', ['web-vda', 'none'], {}, ['could not find image', 18]],
    ['of what is written to, unasked', ['web-vda', 'two'], {}, ['active layer requires active flag', 10]],
    ['of another file as active', ['web-vda', 'one'], { active: true }, ['is not active', 10]],
  ] as const)('refuse a commit %s', async (_, [base, top], options, [message, domainCode]) => {
    const { chains } = bench.libvirt;
    const domain = await makeChain('one', 'two');
    const failure = await failureOf(chains.commit(domain, range(base, top), options));
    expect(failure).toMatchObject({ code: 'INVALID_ARG', domain: domainCode });
    expect(failure.message).toContain(message);
  });

  it('have no job to end where there is none', async () => {
    const { chains } = bench.libvirt;
    const domain = await makeChain('one');
    expect(await chains.job(domain, 'vda')).toBeUndefined();
    expect(await failureOf(chains.endJob(domain, 'vda', { pivot: true }))).toEqual({
      code: 'INVALID_ARG',
      domain: 10,
      message: 'invalid argument: disk vda does not have an active block job',
    });
    expect(await failureOf(chains.job(domain, 'vdz'))).toEqual({
      code: 'INVALID_ARG',
      domain: 10,
      message: "invalid argument: disk 'vdz' not found in domain",
    });
  });

  it('are left alone while the domain is off', async () => {
    const { chains, domains } = bench.libvirt;
    const domain = await makeChain('one');
    await domains.destroy(domain);
    const off = { code: 'OPERATION_INVALID', domain: 20, message: expect.stringContaining('is not running') };
    expect(await failureOf(chains.commit(domain, range('web-vda', 'one'), { active: true }))).toMatchObject(
      off,
    );
    expect(await failureOf(chains.job(domain, 'vda'))).toMatchObject(off);
  });

  it('take no part in a snapshot that a person makes: it is listed, and in the way of undefine', async () => {
    const { chains, domains } = bench.libvirt;
    const domain = await makeMachine(bench.libvirt, 'web');
    await chains.snapshot(domain, '<domainsnapshot><name>by-hand</name></domainsnapshot>');
    expect(await chains.snapshotNames(domain)).toEqual(['by-hand']);
    expect(await domains.list({ snapshot: true })).toEqual([domain]);
    expect(await failureOf(domains.undefine(domain))).toMatchObject({
      code: 'OPERATION_INVALID',
      domain: 10,
      message: 'Requested operation is not valid: cannot delete inactive domain with 1 snapshots',
    });
    await domains.undefine(domain, { snapshotsMetadata: true });
  });
});
