import { describe, expect, it } from 'vitest';
import type { DesiredState, DesiredVm, Nic } from '../../../src/core/desired.ts';
import { pendingRestarts } from '../../../src/core/size.ts';
import { desiredState, desiredVm } from '../../builders.ts';
import { HOST_A, ours, useBench } from '../bench.ts';

const bench = useBench({ hosts: [{ ...HOST_A, bridges: ['br0', 'br1'] }] });
const MAC = '52:54:00:00:00:77';

function web(nic: Partial<Nic>, change: Partial<DesiredVm> = {}): DesiredState {
  return desiredState([desiredVm({ nics: [{ bridge: 'br0', bridgeFrom: 'vm', ...nic }], ...change })]);
}

async function pending(desired: DesiredState) {
  const host = await bench.observe(desired);
  return pendingRestarts(desired.vms, { hosts: new Map([['a', host]]) }).map(({ reason }) => reason);
}

describe('rewire', () => {
  it.each(['on', 'off'] as const)('plugs the VM into another bridge (power: %s)', async (power) => {
    await bench.converge(web({}, { power }));
    expect(await bench.converge(web({ bridge: 'br1' }, { power }))).toEqual(['rewire web']);
    expect(ours(await bench.observe()).nics).toMatchObject([{ bridge: 'br1' }]);
    expect(await pending(web({ bridge: 'br1' }, { power }))).toEqual([]);
  });

  it('leaves everything as it is where a running VM cannot be plugged into the bridge', async () => {
    await bench.converge(web({}));
    const { steps } = await bench.plan(web({ bridge: 'br9' }));
    await expect(bench.apply(steps)).rejects.toMatchObject({
      code: 'E_LIBVIRT',
      message: expect.stringContaining("bridge br9 doesn't exist"),
    });
    expect(ours(await bench.observe()).nics).toMatchObject([{ bridge: 'br0' }]);
  });

  it('gives a MAC address to the definition, for the next start', async () => {
    await bench.converge(web({}));
    const before = ours(await bench.observe());
    const wanted = web({ mac: MAC });
    expect(await bench.converge(wanted)).toEqual(['rewire web']);
    const after = ours(await bench.observe());
    expect(after.macs).toEqual([MAC]);
    const others = { macs: [], nics: [], mark: undefined };
    expect({ ...after, ...others }).toEqual({ ...before, ...others });
    expect(await pending(wanted)).toEqual([`MAC address ${before.macs[0]} -> ${MAC}`]);
    bench.host.powerOff('web');
    await bench.converge(wanted);
    expect(await pending(wanted)).toEqual([]);
  });

  it('is safe to repeat', async () => {
    await bench.converge(web({}));
    const { steps } = await bench.plan(web({ bridge: 'br1', mac: MAC }));
    await bench.apply([...steps, ...steps]);
    expect(ours(await bench.observe()).nics).toEqual([{ mac: MAC, bridge: 'br1' }]);
  });
});

describe('title and description', () => {
  it('writes title and description, and nothing once they are so', async () => {
    await bench.converge(web({}));
    const wanted = web({}, { title: 'web.example.org', description: 'The <web>\nserver & more' });
    expect(await bench.converge(wanted)).toEqual(['describe web']);
    expect(ours(await bench.observe())).toMatchObject({
      title: 'web.example.org',
      description: 'The <web>\nserver & more',
    });
  });

  it('is safe to repeat, and takes a description away', async () => {
    await bench.converge(web({}, { description: 'old' }));
    const { steps } = await bench.plan(web({}, { description: '' }));
    await bench.apply([...steps, ...steps]);
    expect(ours(await bench.observe()).description).toBeUndefined();
  });
});
