import { expect, it } from 'vitest';
import { renderEmptyFile, renderVolume } from '../../src/core/volume-xml.ts';
import { elementAt, parseXml, textAt } from '../../src/core/xml.ts';
import type { VolumeRef } from '../../src/libvirt/protocol/procedure.ts';
import { MIB, makeVolume } from './machine.ts';
import { failureOf, onEveryHost, POOL_PATH } from './site.ts';

const POOL = "<pool type='dir'><name>extra</name><target><path>/data01/extra</path></target></pool>";
const MOUNTED = `<pool type='netfs'><name>mounted</name>
  <source><host name='127.0.0.1'/><dir path='/export'/><format type='auto'/></source>
  <target><path>/data01/mounted</path></target></pool>`;
const NOWHERE = { name: 'nowhere', uuid: '99999999-1111-5111-8111-111111111111' };
/** The head of a qcow2 file of 64 MiB, and something after it. */
const CONTENT = Buffer.alloc(300_000, 7);
Buffer.from('514649fb00000003', 'hex').copy(CONTENT);
CONTENT.fill(0, 8, 112);
CONTENT.writeUInt32BE(16, 20);
CONTENT.writeBigUInt64BE(64n * 1024n ** 2n, 24);
CONTENT.writeUInt32BE(4, 96);
CONTENT.writeUInt32BE(104, 100);
const whole = (volume: VolumeRef) => ({ volume, offsetBytes: 0, lengthBytes: 0 });
const BASE = { path: `${POOL_PATH}/base.qcow2`, format: 'qcow2' };

onEveryHost('volumes', (bench) => {
  const defaultPool = () => bench.libvirt.pools.byName('default');

  it('are made, found by name and path, and listed', async () => {
    const { pools, volumes } = bench.libvirt;
    const pool = await defaultPool();
    const volume = await volumes.create(pool, renderVolume('a.qcow2', 16 * MIB));
    const path = `${POOL_PATH}/a.qcow2`;
    expect(volume).toEqual({ pool: 'default', name: 'a.qcow2', key: path });
    expect(await volumes.byName(pool, 'a.qcow2')).toEqual(volume);
    expect(await volumes.byPath(path)).toEqual(volume);
    expect(await volumes.path(volume)).toBe(path);
    expect(await pools.volumes(pool)).toEqual([volume]);
    const info = await volumes.info(volume);
    expect(info).toEqual({ type: 'file', capacityBytes: 16 * MIB, allocationBytes: 200_704 });
  });

  it('are described in XML', async () => {
    const { volumes } = bench.libvirt;
    const xml = parseXml(await volumes.xml(await makeVolume(bench.libvirt, 'a.qcow2')));
    expect(textAt(xml, 'name')).toBe('a.qcow2');
    expect(textAt(xml, 'key')).toBe(`${POOL_PATH}/a.qcow2`);
    expect(textAt(xml, 'capacity')).toBe(`${16 * MIB}`);
    expect(textAt(xml, 'allocation')).toBe('200704');
    expect(textAt(xml, 'target', 'path')).toBe(`${POOL_PATH}/a.qcow2`);
    expect(elementAt(xml, 'target', 'format')?.getAttribute('type')).toBe('qcow2');
    expect(elementAt(xml, 'backingStore')).toBeUndefined();
  });

  it('take a name once', async () => {
    await makeVolume(bench.libvirt, 'a.qcow2');
    expect(await failureOf(makeVolume(bench.libvirt, 'a.qcow2'))).toEqual({
      code: 'STORAGE_VOL_EXIST',
      domain: 18,
      message: "storage volume 'a.qcow2' exists already",
    });
  });

  it('can be overlays, which name what is behind them', async () => {
    const { volumes } = bench.libvirt;
    await makeVolume(bench.libvirt, 'base.qcow2');
    const overlay = await volumes.create(await defaultPool(), renderVolume('a.qcow2', 32 * MIB, BASE));
    const xml = parseXml(await volumes.xml(overlay));
    expect(textAt(xml, 'capacity')).toBe(`${32 * MIB}`);
    expect(textAt(xml, 'backingStore', 'path')).toBe(BASE.path);
    expect(elementAt(xml, 'backingStore', 'format')?.getAttribute('type')).toBe('qcow2');
  });

  it('are no overlays of what is not there', async () => {
    const { volumes } = bench.libvirt;
    const made = volumes.create(await defaultPool(), renderVolume('a.qcow2', 32 * MIB, BASE));
    expect(await failureOf(made)).toEqual({
      code: 'SYSTEM_ERROR',
      domain: 18,
      message: `inaccessible backing store volume ${BASE.path}: No such file or directory`,
    });
    expect(await bench.libvirt.pools.volumes(await defaultPool())).toEqual([]);
  });

  it('are as large as the image behind them when nothing is said', async () => {
    const { volumes } = bench.libvirt;
    await makeVolume(bench.libvirt, 'base.qcow2');
    const xml = renderVolume('a.qcow2', 1, BASE).replace(/<capacity.*capacity>/, '');
    const overlay = await volumes.create(await defaultPool(), xml);
    expect(await volumes.info(overlay)).toMatchObject({ capacityBytes: 16 * MIB });
  });

  it.each([
    ['qcow2', '', 200_704],
    ['raw', '', 1_048_576],
    ['raw', '<allocation>0</allocation>', 0],
  ])('of format %s with "%s" take up %i bytes', async (format, more, allocationBytes) => {
    const { volumes } = bench.libvirt;
    const xml = renderVolume('a', MIB)
      .replace("'qcow2'", `'${format}'`)
      .replace('<target>', `${more}<target>`);
    const volume = await volumes.create(await defaultPool(), xml);
    expect(await volumes.info(volume)).toEqual({ type: 'file', capacityBytes: MIB, allocationBytes });
  });

  it.each([
    ['GiB', '1', 1024 ** 3],
    ['bytes', '1000', 1024],
  ])('count in %s, in whole sectors', async (unit, amount, capacityBytes) => {
    const { volumes } = bench.libvirt;
    const xml = renderVolume('a', 1).replace("'bytes'>1<", `'${unit}'>${amount}<`);
    const volume = await volumes.create(await defaultPool(), xml);
    expect(await volumes.info(volume)).toMatchObject({ capacityBytes });
  });

  it.each([
    ['no name', /<name.*name>/, '', 'XML_ERROR'],
    ['a name with a slash', '>a<', '>a/b<', 'OPERATION_INVALID'],
    ['no capacity', /<capacity.*capacity>/, '', 'XML_ERROR'],
    ['an unknown format', "'qcow2'", "'foo'", 'CONFIG_UNSUPPORTED'],
    ['broken XML', /^<volume>/, '<volume', 'XML_DETAIL'],
  ])('are refused with %s', async (_, from, to, code) => {
    const xml = renderVolume('a', MIB).replace(from, to);
    const made = bench.libvirt.volumes.create(await defaultPool(), xml);
    expect(await failureOf(made)).toMatchObject({ code, domain: 18 });
  });

  it('can be copies, flattened, and as large as what they are copies of', async () => {
    const { volumes } = bench.libvirt;
    const pool = await defaultPool();
    await makeVolume(bench.libvirt, 'base.qcow2');
    const overlay = await volumes.create(pool, renderVolume('over.qcow2', 32 * MIB, BASE));
    const copy = await volumes.clone(overlay, { pool, xml: renderVolume('a.qcow2', 64 * MIB) });
    const xml = parseXml(await volumes.xml(copy));
    expect(textAt(xml, 'capacity')).toBe(`${32 * MIB}`);
    expect(elementAt(xml, 'backingStore')).toBeUndefined();
  });

  it('do not become copies under a name that is taken', async () => {
    const { volumes } = bench.libvirt;
    const base = await makeVolume(bench.libvirt, 'base.qcow2');
    await makeVolume(bench.libvirt, 'a.qcow2');
    const pool = await defaultPool();
    const copied = volumes.clone(base, { pool, xml: renderVolume('a.qcow2', MIB) });
    expect(await failureOf(copied)).toEqual({
      code: 'INTERNAL_ERROR',
      domain: 18,
      message: "internal error: storage volume name 'a.qcow2' already in use.",
    });
  });

  it.each([
    ['default', 'NO_STORAGE_VOL', "no storage vol with matching name 'none'"],
    ['nowhere', 'NO_STORAGE_POOL', "no storage pool with matching name 'nowhere'"],
  ])('are not copied from what is not in pool %s', async (pool, code, message) => {
    const { volumes } = bench.libvirt;
    const source = { pool, name: 'none', key: '/none' };
    const copied = volumes.clone(source, { pool: await defaultPool(), xml: renderVolume('a', MIB) });
    expect(await failureOf(copied)).toMatchObject({ code, message: expect.stringContaining(message) });
  });

  it('are filled by an upload, whatever their mode, and read as they were written', async () => {
    const { volumes } = bench.libvirt;
    const volume = await volumes.create(await defaultPool(), renderEmptyFile('up.qcow2'));
    expect(await volumes.info(volume)).toMatchObject({ capacityBytes: 0 });
    const changedAt = async () =>
      textAt(parseXml(await volumes.xml(volume)), 'target', 'timestamps', 'mtime');
    expect(elementAt(parseXml(await volumes.xml(volume)), 'physical')).toBeUndefined();
    const before = await changedAt();
    await volumes.upload(whole(volume), [CONTENT.subarray(0, 100_000), CONTENT.subarray(100_000)]);
    const xml = parseXml(await volumes.xml(volume));
    expect(textAt(xml, 'physical')).toBe(String(CONTENT.length));
    expect(textAt(xml, 'capacity')).toBe(String(64 * MIB));
    expect(elementAt(xml, 'target', 'format')?.getAttribute('type')).toBe('qcow2');
    expect(textAt(xml, 'target', 'permissions', 'mode')).toBe('0444');
    expect(await changedAt()).not.toBe(before);
    const read: Buffer[] = [];
    for await (const chunk of volumes.download(whole(volume))) read.push(chunk);
    expect(Buffer.concat(read).equals(CONTENT)).toBe(true);
    const unchanged = await changedAt();
    for await (const _ of volumes.download(whole(volume)));
    expect(await changedAt()).toBe(unchanged);
  });

  it('hold what had come of an upload that broke off', async () => {
    const { volumes } = bench.libvirt;
    const volume = await volumes.create(await defaultPool(), renderEmptyFile('up.qcow2'));
    async function* breaksOff() {
      yield CONTENT.subarray(0, 100_000);
      throw new Error('the reader of the file broke');
    }
    await expect(volumes.upload(whole(volume), breaksOff())).rejects.toThrow('the reader of the file broke');
    await bench.libvirt.pools.refresh(await defaultPool());
    const bytes = Number(textAt(parseXml(await volumes.xml(volume)), 'physical') ?? 0);
    expect(bytes).toBeLessThanOrEqual(100_000);
    await volumes.delete(volume);
  });

  it('cannot be filled or read where there are none', async () => {
    const { volumes } = bench.libvirt;
    const none = whole({ pool: 'default', name: 'none', key: '/none' });
    expect(await failureOf(volumes.upload(none, []))).toMatchObject({ code: 'NO_STORAGE_VOL' });
    expect(await failureOf(volumes.download(none).next())).toMatchObject({ code: 'NO_STORAGE_VOL' });
  });

  it('grow, and shrink only when told so', async () => {
    const { volumes } = bench.libvirt;
    const volume = await makeVolume(bench.libvirt, 'a.qcow2');
    await volumes.resize(volume, 32 * MIB);
    expect(await volumes.info(volume)).toMatchObject({ capacityBytes: 32 * MIB });
    expect(await failureOf(volumes.resize(volume, MIB))).toMatchObject({ code: 'INVALID_ARG', domain: 18 });
    await volumes.resize(volume, MIB, { delta: true });
    expect(await volumes.info(volume)).toMatchObject({ capacityBytes: 33 * MIB });
  });

  it('are gone when they are deleted', async () => {
    const { volumes } = bench.libvirt;
    const volume = await makeVolume(bench.libvirt, 'a.qcow2');
    await volumes.delete(volume);
    const gone = {
      code: 'NO_STORAGE_VOL',
      domain: 18,
      message: "Storage volume not found: no storage vol with matching name 'a.qcow2'",
    };
    expect(await failureOf(volumes.delete(volume))).toEqual(gone);
    expect(await failureOf(volumes.info(volume))).toEqual(gone);
    expect(await failureOf(volumes.byName(await defaultPool(), 'a.qcow2'))).toEqual(gone);
    expect(await failureOf(volumes.byPath(volume.key))).toMatchObject({ code: 'NO_STORAGE_VOL' });
  });

  it('whose file somebody deleted are listed until the next refresh, and can be deleted', async () => {
    const { pools, volumes } = bench.libvirt;
    const pool = await defaultPool();
    const [first, second] = [await makeVolume(bench.libvirt, 'a'), await makeVolume(bench.libvirt, 'b')];
    await bench.site.removeFile('a');
    await bench.site.removeFile('b');
    expect(await volumes.byName(pool, 'a')).toEqual(first);
    expect(await failureOf(volumes.info(first))).toMatchObject({ code: 'NO_STORAGE_VOL' });
    await volumes.delete(first);
    expect(await pools.volumes(pool)).toEqual([second]);
    await pools.refresh(pool);
    expect(await pools.volumes(pool)).toEqual([]);
  });
});

onEveryHost('pools', (bench) => {
  it('are found by name and uuid, and are active', async () => {
    const { pools } = bench.libvirt;
    const pool = await pools.byName('default');
    expect(await pools.byUuid(pool.uuid)).toEqual(pool);
    expect(await pools.list()).toEqual([pool]);
    expect(await pools.isActive(pool)).toBe(true);
    expect(await pools.autostart(pool)).toBe(true);
    const { state, capacityBytes, allocationBytes, availableBytes } = await pools.info(pool);
    expect(state).toBe('running');
    expect(capacityBytes).toBeGreaterThan(0);
    expect(allocationBytes + availableBytes).toBe(capacityBytes);
    expect(textAt(parseXml(await pools.xml(pool)), 'target', 'path')).toBe(POOL_PATH);
  });

  it('are not there under other names', async () => {
    const { pools, volumes } = bench.libvirt;
    const code = 'NO_STORAGE_POOL';
    expect(await failureOf(pools.byName('nowhere'))).toEqual({
      code,
      domain: 18,
      message: "Storage pool not found: no storage pool with matching name 'nowhere'",
    });
    const message = `Storage pool not found: no storage pool with matching uuid '${NOWHERE.uuid}' (nowhere)`;
    expect(await failureOf(pools.info(NOWHERE))).toEqual({ code, domain: 18, message });
    expect(await failureOf(volumes.byName(NOWHERE, 'a'))).toEqual({ code, domain: 18, message });
    expect(await failureOf(volumes.create(NOWHERE, renderVolume('a', MIB)))).toMatchObject({ code });
  });

  it('are defined, built, started, stopped and undefined', async () => {
    const { pools, volumes } = bench.libvirt;
    const pool = await pools.define(POOL);
    expect(await pools.list({ active: false })).toEqual([pool]);
    await pools.build(pool);
    await pools.start(pool);
    expect(await failureOf(pools.start(pool))).toMatchObject({
      code: 'OPERATION_INVALID',
      message: "Requested operation is not valid: storage pool 'extra' is already active",
    });
    await pools.setAutostart(pool, true);
    expect(await pools.list({ autostart: true })).toHaveLength(2);
    const volume = await volumes.create(pool, renderVolume('a', MIB));
    expect(await pools.volumes(pool)).toEqual([{ pool: 'extra', name: 'a', key: '/data01/extra/a' }]);
    expect(await failureOf(pools.undefine(pool))).toMatchObject({ code: 'OPERATION_INVALID' });
    await volumes.delete(volume);
    await pools.stop(pool);
    await pools.undefine(pool);
    expect((await pools.list()).map(({ name }) => name)).toEqual(['default']);
  });

  it('that are inactive have no volumes and no size', async () => {
    const { pools, volumes } = bench.libvirt;
    const pool = await pools.define(POOL);
    expect(await pools.info(pool)).toEqual({
      state: 'inactive',
      capacityBytes: 0,
      allocationBytes: 0,
      availableBytes: 0,
    });
    const inactive = {
      code: 'OPERATION_INVALID',
      domain: 18,
      message: "Requested operation is not valid: storage pool 'extra' is not active",
    };
    expect(await failureOf(pools.volumes(pool))).toEqual(inactive);
    expect(await failureOf(pools.refresh(pool))).toEqual(inactive);
    expect(await failureOf(pools.stop(pool))).toEqual(inactive);
    expect(await failureOf(volumes.byName(pool, 'a'))).toEqual(inactive);
    expect(await failureOf(volumes.create(pool, renderVolume('a', MIB)))).toEqual(inactive);
  });

  it('may be built twice, and not while they are active', async () => {
    const { pools } = bench.libvirt;
    const pool = await pools.define(POOL);
    await pools.build(pool);
    await pools.build(pool);
    await pools.start(pool);
    expect(await failureOf(pools.build(pool))).toEqual({
      code: 'OPERATION_INVALID',
      domain: 18,
      message: "Requested operation is not valid: storage pool 'extra' is already active",
    });
  });

  it('of a file server are defined and built, and say what they mount when it cannot be mounted', async () => {
    const { pools } = bench.libvirt;
    const pool = await pools.define(MOUNTED);
    const xml = parseXml(await pools.xml(pool, { inactive: true }));
    expect(xml.getAttribute('type')).toBe('netfs');
    expect(elementAt(xml, 'source', 'host')?.getAttribute('name')).toBe('127.0.0.1');
    expect(elementAt(xml, 'source', 'dir')?.getAttribute('path')).toBe('/export');
    expect(textAt(xml, 'target', 'path')).toBe('/data01/mounted');
    await pools.build(pool);
    await pools.setAutostart(pool, true);
    expect(await failureOf(pools.start(pool))).toMatchObject({
      code: 'INTERNAL_ERROR',
      message: expect.stringContaining('127.0.0.1:/export'),
    });
    const again = MOUNTED.replace('>mounted<', '>again<').replace('/data01/mounted', '/data01/again');
    expect(await failureOf(pools.define(again))).toEqual({
      code: 'OPERATION_FAILED',
      domain: 18,
      message: "operation failed: Storage source conflict with pool: 'mounted'",
    });
  });

  it('do not start without their folder', async () => {
    const { pools } = bench.libvirt;
    const pool = await pools.define(POOL.replaceAll('extra', 'empty'));
    expect(await failureOf(pools.start(pool))).toEqual({
      code: 'SYSTEM_ERROR',
      domain: 0,
      message: "cannot open directory '/data01/empty': No such file or directory",
    });
  });

  it.each([
    ['a name that is taken', POOL, 'OPERATION_FAILED', 18],
    ['a folder that is taken', POOL.replace('>extra<', '>other<'), 'OPERATION_FAILED', 18],
    ['no name', POOL.replace(/<name.*name>/, ''), 'XML_ERROR', 18],
    ['no folder', POOL.replace(/<target.*target>/, ''), 'XML_ERROR', 18],
    ['an unknown type', POOL.replace("'dir'", "'foo'"), 'XML_ERROR', 5],
    ['broken XML', '<pool', 'XML_DETAIL', 18],
  ])('are refused with %s', async (_, xml, code, domain) => {
    const { pools } = bench.libvirt;
    await pools.define(POOL);
    expect(await failureOf(pools.define(xml))).toMatchObject({ code, domain });
  });
});
