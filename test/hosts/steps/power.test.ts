import { beforeEach, describe, expect, it } from 'vitest';
import { MARK_NAMESPACE } from '../../../src/core/mark.ts';
import type { Step } from '../../../src/core/step.ts';
import { CLUSTER, desiredState, desiredVm, mark } from '../../builders.ts';
import { ours, useBench, volumesOf } from '../bench.ts';

const bench = useBench();
const web = desiredVm({ power: 'off', autostart: false });
const base = { host: 'a', vm: 'web', uuid: web.uuid, cluster: CLUSTER, reason: 'because' };
const start: Step = { ...base, kind: 'start' };
const stop: Step = { ...base, kind: 'stop' };
const removed = {
  at: '2026-02-20T12:00:00.000Z',
  purgeAfter: '2026-02-27T12:00:00.000Z',
  commit: 'dead',
  complete: true,
};
const remove: Step = { ...base, kind: 'remove', mark: mark({ state: 'tombstone', removed }) };
const restore: Step = { ...base, kind: 'restore', autostart: true, mark: mark() };

/** The names of the calls that changed something while the steps were applied. */
async function changesOf(...steps: readonly Step[]): Promise<string[]> {
  const calls: string[] = [];
  bench.host.intercept = (_host, name) => {
    if (/Create|Shutdown|Destroy|Undefine|Define|Delete|Set/.test(name)) calls.push(name);
    return 'pass';
  };
  await bench.apply(steps);
  bench.host.intercept = undefined;
  return calls;
}

beforeEach(async () => {
  await bench.converge(desiredState([web]));
});

describe('start and stop', () => {
  it('start starts the VM once', async () => {
    expect(await changesOf(start)).toEqual(['domainCreateWithFlags']);
    expect(bench.host.isRunning('web')).toBe(true);
    expect(await changesOf(start)).toEqual([]);
  });

  it('start says what libvirt says when the disk has gone', async () => {
    bench.host.storage.removeFile('/pool/web-vda.qcow2');
    await expect(bench.apply([start])).rejects.toMatchObject({
      code: 'E_LIBVIRT',
      message: expect.stringMatching(
        /^start of web on a: libvirt says: .*No such file.*domainCreateWithFlags/,
      ),
      context: { subject: 'web', host: 'a', step: 'start' },
    });
  });

  it('stop asks the guest once and waits until it is off', async () => {
    await bench.apply([start]);
    expect(await changesOf(stop)).toEqual(['domainShutdownFlags']);
    expect(bench.host.isRunning('web')).toBe(false);
    expect(await changesOf(stop)).toEqual([]);
  });

  it('stop leaves a guest running that does not listen, and says how long it waited and what to do', async () => {
    await bench.apply([start]);
    bench.host.ignoreShutdown('web');
    await expect(bench.apply([stop])).rejects.toMatchObject({
      code: 'E_TIMEOUT',
      message: expect.stringMatching(/web on a did not shut down within 0.3 s\. .*force: allowed/),
    });
    expect(bench.host.isRunning('web')).toBe(true);
  });

  it('stop puts up with a guest that went off by itself just before', async () => {
    await bench.apply([start]);
    bench.host.intercept = (_host, name) => {
      if (name === 'domainShutdownFlags') bench.host.powerOff('web');
      return 'pass';
    };
    await bench.apply([stop]);
    expect(bench.host.isRunning('web')).toBe(false);
  });
});

describe('autostart', () => {
  it('is switched on and off', async () => {
    await bench.apply([{ ...base, kind: 'autostart', enabled: true }]);
    expect(ours(await bench.observe()).autostart).toBe(true);
    await bench.apply([{ ...base, kind: 'autostart', enabled: false }]);
    expect(ours(await bench.observe()).autostart).toBe(false);
  });
});

describe('mark', () => {
  it('rewrites the mark of a running VM in its definition and in what runs, and keeps the volumes', async () => {
    await bench.apply([
      start,
      { ...base, kind: 'mark', mark: mark({ protect: true, file: 'manifests/new.yaml', volumes: [] }) },
    ]);
    const { mark: written } = ours(await bench.observe());
    expect(written).toMatchObject({
      protect: true,
      file: 'manifests/new.yaml',
      volumes: [{ name: 'web-vda.qcow2' }],
    });
    const { domains } = await bench.libvirt();
    const live = await domains.metadata(await domains.byName('web'), MARK_NAMESPACE, { live: true });
    expect(live).toContain('manifests/new.yaml');
  });
});

describe('remove and restore', () => {
  it('remove shuts the VM down, switches autostart off, and keeps definition and disks under a tombstone', async () => {
    await bench.apply([start, { ...base, kind: 'autostart', enabled: true }, remove]);
    expect(ours(await bench.observe())).toMatchObject({
      power: 'shutoff',
      autostart: false,
      mark: { state: 'tombstone', removed },
    });
    expect(volumesOf(bench.host)).toEqual(['default/web-vda.qcow2']);
  });

  it('remove does not mark a VM as removed that did not shut down', async () => {
    await bench.apply([start]);
    bench.host.ignoreShutdown('web');
    await expect(bench.apply([remove])).rejects.toMatchObject({ code: 'E_TIMEOUT' });
    expect(ours(await bench.observe())).toMatchObject({ power: 'running', mark: { state: 'ready' } });
  });

  it('a second remove refuses, and moves no purge date', async () => {
    await bench.apply([remove]);
    const later = mark({
      state: 'tombstone',
      removed: { ...removed, purgeAfter: '2030-01-01T00:00:00.000Z' },
    });
    await expect(bench.apply([{ ...remove, mark: later }])).rejects.toMatchObject({ code: 'E_NOT_OURS' });
    expect(ours(await bench.observe()).mark.removed).toEqual(removed);
  });

  it('restore takes the tombstone off and brings autostart back; a second one refuses', async () => {
    await bench.apply([remove, restore]);
    expect(ours(await bench.observe())).toMatchObject({
      power: 'shutoff',
      autostart: true,
      mark: { state: 'ready' },
    });
    await expect(bench.apply([restore])).rejects.toMatchObject({
      code: 'E_NOT_OURS',
      message: expect.stringContaining('ready by now'),
    });
  });
});

describe('force: allowed', () => {
  const forced = useBench({ settings: { force: 'allowed' } });

  it('pulls the plug of a guest that does not listen', async () => {
    await forced.converge(desiredState([desiredVm()]));
    forced.host.ignoreShutdown('web');
    await forced.apply([stop]);
    expect(forced.host.isRunning('web')).toBe(false);
  });
});
