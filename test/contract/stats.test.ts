import { expect, it } from 'vitest';
import { machineXml, makeMachine } from './machine.ts';
import { onEveryHost, POOL_PATH } from './site.ts';

/** What a simulated QEMU has no use for. */
const ONLY_REAL = /^dirtyrate\./;

onEveryHost('stats', (bench) => {
  it('tell of a domain that is off', async () => {
    const { domains } = bench.libvirt;
    const domain = await makeMachine(bench.libvirt, 'web');
    const [record] = await domains.stats({});
    expect(record?.domain).toEqual(domain);
    expect(record?.params).toMatchObject({
      'state.state': 5,
      'state.reason': 0,
      'balloon.current': 65_536,
      'balloon.maximum': 131_072,
      'vcpu.current': 1,
      'vcpu.maximum': 1,
      'block.count': 1,
      'block.0.name': 'vda',
      'block.0.path': `${POOL_PATH}/web-vda.qcow2`,
      'block.0.allocation': 200_704,
      'block.0.capacity': 16_777_216,
      'block.0.physical': 196_616,
    });
    const more = ['cpu.time', 'cpu.user', 'cpu.system'];
    expect(Object.keys(record?.params ?? {})).toEqual([
      'state.state',
      'state.reason',
      ...more,
      'balloon.current',
      'balloon.maximum',
      'vcpu.current',
      'vcpu.maximum',
      'block.count',
      'block.0.name',
      'block.0.path',
      'block.0.allocation',
      'block.0.capacity',
      'block.0.physical',
    ]);
  });

  it('name everything of a domain that runs', async () => {
    const { domains } = bench.libvirt;
    const domain = await domains.start(await makeMachine(bench.libvirt, 'web'));
    const [record] = await domains.stats({}, { domains: [domain] });
    const params = record?.params ?? {};
    const names = Object.keys(params).filter((name) => !ONLY_REAL.test(name));
    expect(names).toEqual(
      [
        ['state.state', 'state.reason'],
        ['cpu.time', 'cpu.user', 'cpu.system'],
        ['cpu.cache.monitor.count', 'cpu.haltpoll.success.time', 'cpu.haltpoll.fail.time'],
        ['balloon.current', 'balloon.maximum', 'balloon.last-update', 'balloon.rss'],
        ['vcpu.current', 'vcpu.maximum'],
        ['vcpu.0.state', 'vcpu.0.time', 'vcpu.0.wait', 'vcpu.0.delay'],
        ['net.count', 'net.0.name'],
        ['net.0.rx.bytes', 'net.0.rx.pkts', 'net.0.rx.errs', 'net.0.rx.drop'],
        ['net.0.tx.bytes', 'net.0.tx.pkts', 'net.0.tx.errs', 'net.0.tx.drop'],
        ['block.count', 'block.0.name', 'block.0.path', 'block.0.backingIndex'],
        ['block.0.rd.reqs', 'block.0.rd.bytes', 'block.0.rd.times'],
        ['block.0.wr.reqs', 'block.0.wr.bytes', 'block.0.wr.times'],
        ['block.0.fl.reqs', 'block.0.fl.times'],
        ['block.0.allocation', 'block.0.capacity', 'block.0.physical'],
      ].flat(),
    );
    const texts = Object.entries(params).filter(([, value]) => typeof value === 'string');
    const textNames = texts.map(([name]) => name).filter((name) => !ONLY_REAL.test(name));
    expect(textNames).toEqual(['net.0.name', 'block.0.name', 'block.0.path']);
    expect(params).toMatchObject({ 'state.state': 1, 'block.0.capacity': 16_777_216 });
  });

  it('have no sizes of a disk that is not there', async () => {
    const { domains } = bench.libvirt;
    await domains.define(machineXml('web'));
    const [record] = await domains.stats({ block: true });
    expect(record?.params).toEqual({
      'block.count': 1,
      'block.0.name': 'vda',
      'block.0.path': `${POOL_PATH}/web-vda.qcow2`,
    });
  });

  it('give the groups and the domains that are asked for', async () => {
    const { domains } = bench.libvirt;
    const web = await makeMachine(bench.libvirt, 'web');
    await makeMachine(bench.libvirt, 'db');
    const some = await domains.stats({ state: true, balloon: true }, { domains: [web] });
    expect(some.map(({ domain }) => domain)).toEqual([web]);
    expect(Object.keys(some[0]?.params ?? {})).toEqual([
      'state.state',
      'state.reason',
      'balloon.current',
      'balloon.maximum',
    ]);
    expect(await domains.stats({ state: true }, { nowait: true })).toHaveLength(2);
  });

  it('leave out a domain that has gone', async () => {
    const { domains } = bench.libvirt;
    const web = await makeMachine(bench.libvirt, 'web');
    await makeMachine(bench.libvirt, 'db');
    await domains.undefine(web);
    expect(await domains.stats({ state: true }, { domains: [web] })).toEqual([]);
  });
});
