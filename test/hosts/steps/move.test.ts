import { describe, expect, it } from 'vitest';
import type { DesiredState, NewVm } from '../../../src/core/desired.ts';
import type { ObservedState } from '../../../src/core/observed.ts';
import { applyAll } from '../../../src/reconcile/apply-all.ts';
import { createAskedGuests } from '../../../src/reconcile/asked-guests.ts';
import { questionFor } from '../../../src/reconcile/reconcile.ts';
import { imageFile } from '../../../src/simulator/volumes.ts';
import { desiredSeed, desiredState, desiredVm, GIB, NOW } from '../../builders.ts';
import { breakCall, HOST_A, useBench, volumesOf } from '../bench.ts';

const bench = useBench({
  hosts: [HOST_A, { ...HOST_A, name: 'b' }],
  settings: { shutdownTimeoutMs: 5000 },
});
const LATER = new Date(NOW.getTime() + 30 * 24 * 60 * 60 * 1000);
const never = new AbortController().signal;
const DISKS = ['default/web-seed.img', 'default/web-vda.qcow2', 'fast/web-vdb.qcow2'];

function web(change: Partial<NewVm> = {}): DesiredState {
  const data = { target: 'vdb', pool: 'fast', volume: 'web-vdb.qcow2', sizeGiB: 1 };
  return desiredState([desiredVm({ dataDisks: [data], seed: desiredSeed({ motd: 'one' }), ...change })]);
}
const onA = web();
const onB = web({ host: 'b' });

function hostOf(name: string) {
  return bench.simulator.host(name).host;
}

/** What there is of `web` on a host. */
async function lookAt(name: string) {
  const observed: ObservedState = await bench.hosts.observe(questionFor(desiredState()), never);
  const host = observed.hosts.get(name);
  if (host?.kind !== 'known') throw new Error(`${name} is unknown`);
  return {
    volumes: volumesOf(hostOf(name)),
    vms: host.vms.map(({ power, autostart, disks, macs, mark }) => ({
      power,
      autostart,
      files: disks.map(({ file }) => file),
      macs: macs.length,
      state: mark?.state,
      movedTo: mark?.removed?.movedTo,
      claimed: mark?.volumes.map(({ pool, name: volume }) => `${pool}/${volume}`).toSorted(),
    })),
  };
}

const files = ['/pool/web-vda.qcow2', '/fast/web-vdb.qcow2', '/pool/web-seed.img'];
const running = {
  volumes: DISKS,
  vms: [
    {
      power: 'running',
      autostart: true,
      files,
      macs: 1,
      state: 'ready',
      movedTo: undefined,
      claimed: DISKS,
    },
  ],
};
const nothing = { volumes: [], vms: [] };
function leftBehind(movedTo: string) {
  const [vm] = running.vms;
  return { ...running, vms: [{ ...vm, power: 'shutoff', autostart: false, state: 'tombstone', movedTo }] };
}

/** How many of all copies might be started by the operator, or run. */
async function startable(): Promise<number> {
  const both = await Promise.all([lookAt('a'), lookAt('b')]);
  return both
    .flatMap(({ vms }) => vms)
    .filter(({ state, power }) => state === 'ready' || state === 'building' || power !== 'shutoff').length;
}

/** A VM with one disk: a move has enough calls as it is. */
const small = (change: Partial<NewVm> = {}) => desiredState([desiredVm(change)]);
const smallOnA = small();
const smallOnB = small({ host: 'b' });

interface Story {
  readonly what: string;
  readonly before: readonly DesiredState[];
  readonly desired: DesiredState;
  /** Where it runs in the end. */
  readonly end: 'a' | 'b';
  /** Every so manieth call is cut: what the stories have in common is cut in the first. */
  readonly every: number;
}

const STORIES: readonly Story[] = [
  { what: 'a VM that runs', before: [smallOnA], desired: smallOnB, end: 'b', every: 1 },
  { what: 'a removed VM', before: [smallOnA, desiredState()], desired: smallOnB, end: 'b', every: 4 },
  { what: 'a VM that moves back', before: [smallOnA, smallOnB], desired: smallOnA, end: 'a', every: 3 },
];

/** One call after the other, on a host, until the apply gets by without meeting the cut; then what git says by then. */
async function cutEveryCall(
  cut: string,
  { before, desired, every }: Pick<Story, 'before' | 'desired' | 'every'>,
  check: (at: number) => Promise<void>,
): Promise<number> {
  for (let at = 0; ; at += every) {
    bench.clear();
    for (const earlier of before) await bench.converge(earlier);
    const { steps } = await bench.plan(desired);
    const fault = breakCall(at, 'drop-reply');
    hostOf(cut).intercept = fault.intercept;
    const failure = await bench.apply(steps).catch((error: unknown) => error);
    hostOf(cut).intercept = undefined;
    if (failure === undefined && fault.calls() <= at) return at;
    expect({ at, failure }).toMatchObject({ at, failure: { code: 'E_OUTCOME_UNKNOWN' } });
    expect({ at, startable: await startable() }).toEqual({ at, startable: expect.toBeOneOf([0, 1]) });
    await check(at);
  }
}

/** In short: where it runs, where its old copy is, and the volumes of each host. */
async function summary() {
  const [a, b] = [await lookAt('a'), await lookAt('b')];
  return {
    states: [a, b].map(({ vms }) => vms.map(({ state, power, movedTo }) => [state, power, movedTo])),
    volumes: [a.volumes, b.volumes],
    claimed: [a, b].map(({ vms }) => vms.flatMap(({ claimed }) => claimed)),
  };
}

const DISK = ['default/web-vda.qcow2'];
const LIVE = [['ready', 'running', undefined]];
function movedFrom(end: 'a' | 'b') {
  const states = [LIVE, [['tombstone', 'shutoff', end]]];
  return { states: end === 'a' ? states : states.toReversed(), volumes: [DISK, DISK], claimed: [DISK, DISK] };
}
const onlyOnA = { states: [LIVE, []], volumes: [DISK, []], claimed: [DISK, []] };

describe('a move', () => {
  it('takes a VM with its disks, cards and seed to another host, and keeps the old copy till its date', async () => {
    await bench.converge(onA);
    const before = (await lookAt('a')).vms;
    expect(await bench.converge(onB)).toEqual(['depart web', 'receive web', 'start web', 'retire web']);
    expect(await lookAt('b')).toEqual({ volumes: DISKS, vms: before });
    expect(await lookAt('a')).toEqual(leftBehind('b'));
    expect(await bench.converge(onB, LATER)).toEqual(['purge web']);
    expect([await lookAt('a'), await lookAt('b')]).toEqual([nothing, running]);
  });

  it('changes nothing when its steps are applied again', { timeout: 20_000 }, async () => {
    await bench.converge(onA);
    const { steps } = await bench.plan(onB);
    for (const step of steps) {
      await bench.apply([step]);
      const once = [await lookAt('a'), await lookAt('b')];
      await bench.apply([step]);
      expect([await lookAt('a'), await lookAt('b')]).toEqual(once);
    }
  });

  it('is given up for a newer commit, and leaves the VM where it was', async () => {
    await bench.converge(onA);
    const [depart, receive] = (await bench.plan(onB)).steps;
    if (depart === undefined || receive === undefined) throw new Error('no move');
    await bench.apply([depart]);
    const abort = new AbortController();
    const begun = bench.hosts.apply(receive, () => abort.abort(new Error('newer')), abort.signal);
    await expect(begun).rejects.toThrow('newer');
    expect(await bench.converge(onA)).toEqual(['abandon web', 'recall web', 'start web']);
    expect([await lookAt('a'), await lookAt('b')]).toEqual([running, nothing]);
  });

  it.each([
    {
      what: 'a volume of that name is there that nobody has',
      spoil: () => hostOf('b').storage.putFile('/pool/web-vda.qcow2', imageFile(2 * GIB, 1024 ** 2)),
      code: 'E_NOT_OURS',
    },
    {
      what: 'the base image is another one under the same name',
      spoil: () => hostOf('b').storage.putFile('/pool/debian.qcow2', imageFile(2 * GIB, 2 * 1024 ** 2)),
      code: 'E_IMAGE_MISSING',
    },
  ])('is refused before the guest is stopped where $what', async ({ spoil, code }) => {
    await bench.converge(smallOnA);
    const { steps } = await bench.plan(smallOnB);
    spoil();
    await expect(bench.apply(steps)).rejects.toMatchObject({ code });
    expect(await lookAt('a')).toMatchObject({ vms: [{ state: 'ready', power: 'running', autostart: true }] });
    expect((await lookAt('b')).vms).toEqual([]);
  });

  it('does not go on with a VM that somebody started under way', async () => {
    await bench.converge(smallOnA);
    const { steps } = await bench.plan(smallOnB);
    await bench.apply(steps.slice(0, 1));
    const libvirt = await bench.libvirt();
    await libvirt.domains.start(await libvirt.domains.byName('web'));
    await expect(bench.apply(steps.slice(1))).rejects.toMatchObject({ code: 'E_MOVE' });
    expect((await lookAt('b')).vms).toEqual([]);
  });

  it('starts nothing that has moved while somebody has what it left run again', async () => {
    await bench.converge(smallOnA);
    const { steps } = await bench.plan(smallOnB);
    const at = steps.findIndex(({ kind }) => kind === 'start');
    await bench.apply(steps.slice(0, at));
    const libvirt = await bench.libvirt();
    await libvirt.domains.start(await libvirt.domains.byName('web'));
    await expect(bench.apply(steps.slice(at))).rejects.toMatchObject({ code: 'E_MOVE' });
    expect((await lookAt('b')).vms).toMatchObject([{ power: 'shutoff' }]);
  });

  it('copies anew what was written to between two tries', async () => {
    await bench.converge(onA);
    const [depart, receive] = (await bench.plan(onB)).steps;
    if (depart === undefined || receive === undefined) throw new Error('no move');
    await bench.apply([depart]);
    let uploads = 0;
    hostOf('b').intercept = (_host, name) => {
      if (name === 'storageVolUpload') uploads += 1;
      return uploads === 2 ? 'drop-connection' : 'pass';
    };
    await expect(bench.apply([receive])).rejects.toMatchObject({ code: 'E_OUTCOME_UNKNOWN' });
    hostOf('b').intercept = undefined;
    expect(hostOf('b').storage.file('/pool/web-vda.qcow2')).toBeDefined();
    const written = {
      ...imageFile(2 * GIB, 3 * 1024 ** 2),
      backing: { path: '/pool/debian.qcow2', format: 'qcow2' },
    };
    hostOf('a').storage.putFile('/pool/web-vda.qcow2', written);
    await bench.converge(onB);
    const copy = hostOf('b').storage.file('/pool/web-vda.qcow2');
    expect(copy?.physicalBytes).toBe(written.physicalBytes);
  });

  it.each(STORIES.flatMap((story) => ['a', 'b'].map((cut) => ({ ...story, cut }))))(
    'of $what converges whichever call to $cut loses its answer, and leaves nothing astray',
    async ({ cut, end, ...story }) => {
      const calls = await cutEveryCall(cut, story, async (at) => {
        await bench.converge(story.desired);
        expect({ at, ...(await summary()) }).toEqual({ at, ...movedFrom(end) });
      });
      expect(calls).toBeGreaterThan(5);
    },
    180_000,
  );

  it.each(['a', 'b'])(
    'that was cut at any call to %s, and that git takes back, leaves one VM and nothing astray',
    async (cut) => {
      const story = { before: [smallOnA], desired: smallOnB, every: 3 };
      await cutEveryCall(cut, story, async (at) => {
        const hasArrived = (await lookAt('b')).vms[0]?.state === 'ready';
        await bench.converge(smallOnA);
        expect({ at, ...(await summary()) }).toEqual({ at, ...(hasArrived ? movedFrom('a') : onlyOnA) });
      });
    },
    180_000,
  );
});

describe('two VMs that change places', () => {
  const half = { memoryMiB: 12 * 1024, maxMemoryMiB: 12 * 1024 };
  const most = { memoryMiB: 20 * 1024, maxMemoryMiB: 20 * 1024 };
  const places = (size: Partial<NewVm>, host: string, other: string) =>
    desiredState([desiredVm({ ...size, host }), desiredVm({ ...size, name: 'db', host: other })]);

  it.each([
    { what: 'where each host has room for both', size: half },
    { what: 'where no host has room for both', size: most },
  ])('run once each at every moment, and end on the other side, $what', async ({ size }) => {
    const hosts = ['a', 'b'].map(hostOf);
    await bench.converge(places(size, 'a', 'b'));
    const seen: { readonly running: readonly string[]; readonly memoryMiB: number }[] = [];
    for (const host of hosts)
      host.intercept = (at, call) => {
        const runs = hosts.map(({ domains }) => domains.all().filter(({ run }) => run !== undefined));
        seen.push({
          running: runs.flat().map((domain) => domain.name),
          memoryMiB: Math.max(...runs.map(({ length }) => length * (size.memoryMiB ?? 0))),
        });
        // The guest of `db` takes longer to shut down than all that `web` needs to get there.
        return at === 'b' && call.startsWith('domainShutdown') ? { delayMs: 1500 } : 'pass';
      };
    const desired = places(size, 'b', 'a');
    const { steps } = await bench.plan(desired);
    const results = await applyAll(bench.hosts, steps, {
      concurrency: { hosts: 2, vmsPerHost: 2 },
      signal: never,
      asked: createAskedGuests(),
      isPaused: async () => false,
      onProgress: () => undefined,
    });
    expect(results.filter(({ outcome }) => outcome !== 'done')).toEqual([]);
    expect(seen.filter(({ running: names }) => new Set(names).size < names.length)).toEqual([]);
    expect(Math.max(...seen.map(({ memoryMiB }) => memoryMiB))).toBeLessThanOrEqual(HOST_A.memoryMiB);
    expect((await bench.plan(desired)).steps).toEqual([]);
    expect(hosts.map((host) => ['web', 'db'].filter((vm) => host.isRunning(vm)))).toEqual([['db'], ['web']]);
    expect((await lookAt('a')).vms.map(({ state }) => `${state}`).toSorted()).toEqual(['ready', 'tombstone']);
  });
});
