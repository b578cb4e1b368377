import { describe, expect, it } from 'vitest';
import type { HostPool } from '../../../src/core/pools.ts';
import { stepId } from '../../../src/core/step.ts';
import { desiredState, desiredVm, hostPolicy } from '../../builders.ts';
import { useBench } from '../bench.ts';

const bench = useBench();

function extra(change: Partial<HostPool> = {}): HostPool {
  return { name: 'extra', type: 'dir', path: '/extra', autostart: true, ...change };
}

function wanting(...pools: readonly HostPool[]) {
  const bootDisk = { ...desiredVm().bootDisk, pool: 'extra' };
  return desiredState([desiredVm({ bootDisk })], { hosts: [hostPolicy('a', { pools })] });
}

describe('a pool that git declares', () => {
  it('is defined, built, started and set to autostart before the VMs that need it are made', async () => {
    const desired = wanting(extra());
    const { steps } = await bench.plan(desired);
    expect(steps.map((step) => [stepId(step), step.after])).toEqual([
      ['pool a/pool extra', undefined],
      ['create a/web', ['pool a/pool extra']],
      ['start a/web', ['pool a/pool extra']],
    ]);
    await bench.apply(steps);
    const found = (await bench.observe(desired)).pools.get('extra');
    expect(found).toMatchObject({ active: true, autostart: true, type: 'dir', path: '/extra' });
    expect((await bench.plan(desired)).steps).toEqual([]);
  });

  it('is left as it is when the step is made again', async () => {
    const { steps } = await bench.plan(wanting(extra()));
    await bench.apply(steps.slice(0, 1));
    let changes = 0;
    bench.host.intercept = (_, name) => {
      if (/Define|Build|PoolCreate|SetAutostart/.test(name)) changes += 1;
      return 'pass';
    };
    await bench.apply(steps.slice(0, 1));
    expect(changes).toBe(0);
  });

  it('is started again, and nothing else is done to it', async () => {
    const desired = wanting(extra());
    await bench.converge(desired);
    const { pools } = await bench.libvirt();
    await pools.stop(await pools.byName('extra'));
    expect(await bench.converge(desired)).toEqual(['pool pool extra']);
  });

  it('is not given a new folder where it had one: its disk may not be mounted', async () => {
    const desired = wanting(extra({ path: '/mnt' }));
    await bench.converge(desired);
    const { pools } = await bench.libvirt();
    const pool = await pools.byName('extra');
    await pools.stop(pool);
    let builds = 0;
    bench.host.intercept = (_, name) => {
      if (name === 'storagePoolBuild') builds += 1;
      return 'pass';
    };
    await bench.converge(desired);
    expect(builds).toBe(0);
  });

  it.each([
    ['another path', extra({ path: '/other' }), 'extra of a is /extra there, and /other in git'],
    [
      'another type',
      extra({ type: 'netfs', source: { host: 'nas', path: '/x' } }),
      'extra of a is of type dir there, and netfs in git',
    ],
    ['the folder of another', extra({ name: 'more' }), '/extra is the folder of its pool extra'],
  ])('with %s than on the host is held, and so is what needs it', async (_, pool, reason) => {
    await bench.apply((await bench.plan(wanting(extra()))).steps.slice(0, 1));
    const bootDisk = { ...desiredVm().bootDisk, pool: pool.name };
    const desired = desiredState([desiredVm({ bootDisk })], { hosts: [hostPolicy('a', { pools: [pool] })] });
    const { steps, held } = await bench.plan(desired);
    expect(steps).toEqual([]);
    expect(held).toMatchObject([
      { subject: `pool ${pool.name}`, because: 'conflict', kind: 'pool' },
      { subject: 'web', because: 'conflict', kind: 'create' },
    ]);
    for (const one of held) expect(one.reason).toContain(reason);
  });

  it('that was changed since it was planned is left alone', async () => {
    const { steps } = await bench.plan(wanting(extra({ path: '/planned' })));
    await bench.apply((await bench.plan(wanting(extra()))).steps.slice(0, 1));
    await expect(bench.apply(steps.slice(0, 1))).rejects.toMatchObject({ code: 'E_NOT_OURS' });
  });
});
