import { describe, expect, it } from 'vitest';
import type { DesiredVm } from '../../../src/core/desired.ts';
import { parseDomain } from '../../../src/core/domain-definition.ts';
import { pendingRestarts } from '../../../src/core/size.ts';
import { adoptedVm, desiredState, desiredVm } from '../../builders.ts';
import { ours, useBench } from '../bench.ts';
import { makeByHand } from '../hand-made.ts';

const bench = useBench();
const small = { vcpus: 1, memoryMiB: 1024, maxMemoryMiB: 2048 };
const large = { vcpus: 4, memoryMiB: 4096, maxMemoryMiB: 8192 };

function web(size: typeof small, power: 'on' | 'off') {
  return desiredState([desiredVm({ ...size, power, autostart: false })]);
}

describe('resize', () => {
  it.each([
    { what: 'grows', from: small, to: large },
    { what: 'shrinks', from: large, to: small },
    {
      what: 'changes the memory below an unchanged maximum of',
      from: large,
      to: { ...large, memoryMiB: 2048 },
    },
  ])('$what a VM that is off', async ({ from, to }) => {
    await bench.converge(web(from, 'off'));
    expect(await bench.converge(web(to, 'off'))).toEqual(['resize web']);
    expect(ours(await bench.observe())).toMatchObject(to);
  });

  it('gives a running VM what it takes at once, and says what waits for its next start', async () => {
    await bench.converge(web(large, 'on'));
    const wanted = web({ ...large, vcpus: 6, memoryMiB: 5120 }, 'on');
    expect(await bench.converge(wanted)).toEqual(['resize web']);
    const host = await bench.observe();
    expect(ours(host).live).toEqual({ ...large, maxVcpus: 4, memoryMiB: 5120 });
    expect(pendingRestarts(wanted.vms, { hosts: new Map([['a', host]]) })).toEqual([
      { host: 'a', vm: 'web', reason: 'vcpus 4 -> 6', restart: 'never' },
    ]);
  });

  it('shows nothing pending once the VM was started anew', async () => {
    await bench.converge(web(small, 'on'));
    await bench.converge(web(large, 'on'));
    bench.host.powerOff('web');
    expect(await bench.converge(web(large, 'on'))).toEqual(['start web']);
    const host = await bench.observe();
    expect(pendingRestarts(web(large, 'on').vms, { hosts: new Map([['a', host]]) })).toEqual([]);
  });

  it('restarts the VM where git allows it, and then shows nothing pending', async () => {
    const allowed = desiredState([desiredVm({ ...large, autostart: false, restart: 'allowed' })]);
    await bench.converge(web(small, 'on'));
    expect(await bench.converge(allowed)).toEqual(['resize web', 'restart web']);
    const host = await bench.observe();
    expect(ours(host)).toMatchObject({ power: 'running', live: { ...large, maxVcpus: 4 } });
    expect(pendingRestarts(allowed.vms, { hosts: new Map([['a', host]]) })).toEqual([]);
  });

  it('leaves nothing behind that runs without being defined so, where it is cut short', async () => {
    await bench.converge(web(large, 'on'));
    const { steps } = await bench.plan(web({ ...large, memoryMiB: 2048 }, 'on'));
    bench.host.intercept = (_host, name) => (name === 'domainSetVcpusFlags' ? 'drop-connection' : 'pass');
    await expect(bench.apply(steps)).rejects.toMatchObject({ code: 'E_OUTCOME_UNKNOWN' });
    bench.host.intercept = undefined;
    const found = ours(await bench.observe());
    expect(found.live?.memoryMiB).toBe(found.memoryMiB);
  });

  it('goes on where the memory of a VM was saved, with the old size, and shows the new one as pending', async () => {
    await bench.converge(web(small, 'on'));
    const { domains } = await bench.libvirt();
    await domains.managedSave(await domains.byName('web'));
    expect(ours(await bench.observe())).toMatchObject({ power: 'shutoff', managedSave: true });
    expect(await bench.converge(web(large, 'on'))).toEqual(['resize web', 'start web']);
    const host = await bench.observe();
    expect(ours(host)).toMatchObject({ managedSave: false, live: { vcpus: 1, maxMemoryMiB: 2048 } });
    expect(pendingRestarts(web(large, 'on').vms, { hosts: new Map([['a', host]]) })).toHaveLength(1);
  });

  it.each([
    { what: 'fewer', vcpus: 1, maximum: 8 },
    { what: 'more, at once,', vcpus: 6, maximum: 8 },
    { what: 'more than that', vcpus: 12, maximum: 12 },
  ])(
    'gives a VM that a person gave a maximum of 8 processors $what, and does not lower it',
    async ({ vcpus, maximum }) => {
      const wanted = (size: Partial<DesiredVm>) => desiredState([adoptedVm({ autostart: true, ...size })]);
      const { uuid } = adoptedVm();
      const hand = { name: 'web', uuid, disks: { vda: '/pool/web-vda.qcow2' }, running: true };
      await makeByHand(bench.host, await bench.libvirt(), hand);
      await bench.converge(wanted({}));
      expect(await bench.converge(wanted({ vcpus }))).toEqual(['resize web']);
      const { domains } = await bench.libvirt();
      const xml = await domains.xml(await domains.byName('web'), { inactive: true });
      expect(parseDomain(xml)).toMatchObject({ vcpus, maxVcpus: maximum });
      expect(ours(await bench.observe()).live?.vcpus).toBe(vcpus === 6 ? 6 : 2);
      expect(await bench.converge(wanted({ vcpus }))).toEqual([]);
    },
  );

  it('is safe to repeat', async () => {
    await bench.converge(web(small, 'on'));
    const { steps } = await bench.plan(web(large, 'on'));
    await bench.apply([...steps, ...steps]);
    expect(ours(await bench.observe())).toMatchObject(large);
  });
});
