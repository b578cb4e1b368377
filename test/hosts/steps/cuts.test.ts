import { describe, expect, it } from 'vitest';
import type { DesiredState, DesiredVm } from '../../../src/core/desired.ts';
import type { StepKind } from '../../../src/core/step.ts';
import { createGuests } from '../../../src/guests/guests.ts';
import type { Guests } from '../../../src/hosts/steps/context.ts';
import type { Interception } from '../../../src/simulator/host.ts';
import { adoptedVm, desiredSeed, desiredState, desiredVm, hostPolicy, NOW } from '../../builders.ts';
import { applyCut, useBench, volumesOf } from '../bench.ts';
import { type HandMade, makeByHand } from '../hand-made.ts';

/** By SSH nothing is done; agents are really asked. */
const inGuests = createGuests({
  user: 'root',
  throughHost: false,
  timeoutMs: 5000,
  keysDir: '/nonexistent',
  hosts: new Map(),
});
const guests: Guests = {
  expectNew: async () => undefined,
  setHostname: async (step, agent) => (step.via === 'agent' ? inGuests.setHostname(step, agent) : undefined),
};
const bench = useBench({ settings: { shutdownTimeoutMs: 5000, guests } });
const LATER = new Date(NOW.getTime() + 30 * 24 * 60 * 60 * 1000);
const FILES = { vda: '/pool/web-vda.qcow2', vdb: '/fast/web-vdb.qcow2' };
const DISKS = ['default/web-vda.qcow2', 'fast/web-vdb.qcow2'];
const EXTRA = { name: 'extra', type: 'dir', path: '/extra', autostart: true } as const;
const SEEDED = ['default/web-seed.img', ...DISKS];
const CUTS = ['drop-connection', 'drop-reply'] as const satisfies readonly Interception[];

function web(change: Partial<DesiredVm> = {}): DesiredState {
  const data = { target: 'vdb', pool: 'fast', volume: 'web-vdb.qcow2', sizeGiB: 1 };
  return desiredState([desiredVm({ power: 'off', dataDisks: [data], ...change })]);
}
function seeded(motd: string): DesiredState {
  return web({ seed: desiredSeed({ motd }) });
}
const bare = { dataDisks: [] } as const;
const grown = {
  dataDisks: [{ target: 'vdb', pool: 'fast', volume: 'web-vdb.qcow2', sizeGiB: 2 }],
} as const;
const full = { ...desiredVm().bootDisk, clone: 'full', sizeGiB: 3 } as const;

interface Story {
  readonly kind: StepKind;
  readonly what: string;
  /** What a person makes on the host first. */
  readonly byHand?: HandMade;
  /** Its guest runs an agent once the states before are applied. */
  readonly agent?: true;
  /** The states of git that are applied before, and the one whose apply is cut. */
  readonly before: readonly DesiredState[];
  readonly desired: DesiredState;
  readonly now?: Date;
  /** What is on the host in the end: the state of the mark, or nothing. */
  readonly end: 'ready' | 'seeded' | 'snapshot' | 'tombstone' | 'gone' | 'kept' | 'reclaimed';
}

const STORIES: readonly Story[] = [
  { kind: 'create', what: 'overlay', before: [], desired: web(), end: 'ready' },
  {
    kind: 'create',
    what: 'full copy, started',
    before: [],
    desired: web({ bootDisk: full, power: 'on' }),
    end: 'ready',
  },
  {
    kind: 'seed',
    what: 'of another user data',
    before: [seeded('one')],
    desired: seeded('two'),
    end: 'seeded',
  },
  { kind: 'create', what: 'with a seed', before: [], desired: seeded('one'), end: 'seeded' },
  {
    kind: 'hostname',
    what: 'of a VM that runs',
    before: [web({ power: 'on' })],
    desired: web({ power: 'on', hostnameVia: 'ssh' }),
    end: 'ready',
  },
  {
    kind: 'hostname',
    what: 'by the agent of a VM that runs',
    agent: true,
    before: [web({ power: 'on' })],
    desired: web({ power: 'on', hostnameVia: 'agent' }),
    end: 'ready',
  },
  { kind: 'remove', what: 'shut off', before: [web()], desired: desiredState(), end: 'tombstone' },
  {
    kind: 'restore',
    what: 'started',
    before: [web(), desiredState()],
    desired: web({ power: 'on' }),
    end: 'ready',
  },
  {
    kind: 'restart',
    what: 'after a resize',
    before: [web({ power: 'on', restart: 'allowed' })],
    desired: web({ power: 'on', restart: 'allowed', vcpus: 4, maxMemoryMiB: 8192 }),
    end: 'ready',
  },
  {
    kind: 'adopt',
    what: 'shut off',
    byHand: { name: 'web', uuid: adoptedVm().uuid, disks: FILES },
    before: [],
    desired: desiredState([
      adoptedVm({
        power: 'off',
        dataDisks: [
          { target: 'vda', pool: 'default', volume: 'web-vda.qcow2', sizeGiB: 2 },
          { target: 'vdb', pool: 'fast', volume: 'web-vdb.qcow2', sizeGiB: 2 },
        ],
      }),
    ]),
    end: 'ready',
  },
  {
    kind: 'purge',
    what: 'on its date',
    before: [web(), desiredState()],
    desired: desiredState(),
    now: LATER,
    end: 'gone',
  },
  {
    kind: 'pool',
    what: 'made, and VMs in it',
    before: [],
    desired: { ...web(), hosts: new Map([['a', hostPolicy('a', { pools: [EXTRA] })]]) },
    end: 'ready',
  },
  { kind: 'grow', what: 'shut off', before: [web()], desired: web(grown), end: 'ready' },
  {
    kind: 'grow',
    what: 'running',
    before: [web({ power: 'on' })],
    desired: web({ ...grown, power: 'on' }),
    end: 'ready',
  },
  { kind: 'attach', what: 'new, shut off', before: [web(bare)], desired: web(), end: 'ready' },
  {
    kind: 'attach',
    what: 'new, running',
    before: [web({ ...bare, power: 'on' })],
    desired: web({ power: 'on' }),
    end: 'ready',
  },
  { kind: 'attach', what: 'kept and grown', before: [web(), web(bare)], desired: web(grown), end: 'ready' },
  {
    kind: 'detach',
    what: 'running',
    before: [web({ power: 'on' })],
    desired: web({ ...bare, power: 'on' }),
    end: 'kept',
  },
  {
    kind: 'reclaim',
    what: 'on its date',
    before: [web(), web(bare)],
    desired: web(bare),
    now: LATER,
    end: 'reclaimed',
  },
  {
    kind: 'rewire',
    what: 'running',
    before: [web({ power: 'on' })],
    desired: web({ power: 'on', nics: [{ bridge: 'br1', bridgeFrom: 'vm', mac: '52:54:00:00:00:77' }] }),
    end: 'ready',
  },
  {
    kind: 'describe',
    what: 'shut off',
    before: [web()],
    desired: web({ title: 'web.lab', description: 'the web' }),
    end: 'ready',
  },
  {
    kind: 'snapshot',
    what: 'of a VM that runs',
    before: [web({ power: 'on' })],
    desired: web({ power: 'on', snapshots: ['one'] }),
    end: 'snapshot',
  },
  {
    kind: 'snapshot',
    what: 'of a VM whose agent freezes it',
    agent: true,
    before: [web({ power: 'on' })],
    desired: web({ power: 'on', snapshots: ['one'] }),
    end: 'snapshot',
  },
  {
    kind: 'snapshot',
    what: 'of a VM that is off',
    before: [web()],
    desired: web({ snapshots: ['one'] }),
    end: 'snapshot',
  },
  {
    kind: 'merge',
    what: 'of a VM that runs',
    before: [web({ power: 'on', snapshots: ['one'] })],
    desired: web({ power: 'on' }),
    end: 'ready',
  },
  {
    kind: 'merge',
    what: 'of a VM that is off',
    before: [web({ snapshots: ['one'] })],
    desired: web(),
    end: 'ready',
  },
  {
    kind: 'merge',
    what: 'of the older of two',
    before: [web({ power: 'on', snapshots: ['old'] }), web({ power: 'on', snapshots: ['old', 'one'] })],
    desired: web({ power: 'on', snapshots: ['one'] }),
    end: 'snapshot',
  },
  {
    kind: 'purge',
    what: 'with snapshots',
    before: [web({ snapshots: ['one'] }), desiredState()],
    desired: desiredState(),
    now: LATER,
    end: 'gone',
  },
];

/** Cuts one call after the other, each on a fresh host, until the apply gets by without meeting the cut. */
async function cutEveryCall(
  cut: Interception,
  { byHand, agent, before, desired, now = NOW, end }: Story,
): Promise<number> {
  for (let at = 0; ; at++) {
    bench.clear();
    if (byHand !== undefined) await makeByHand(bench.host, await bench.libvirt(), byHand);
    for (const earlier of before) await bench.converge(earlier);
    if (agent === true) bench.host.runAgent('web');
    const { steps } = await bench.plan(desired, now);
    const { failure, isOver } = await applyCut(bench, steps, { at, cut });
    if (isOver) return at;
    expect({ at, failure }).toMatchObject({ at, failure: { code: 'E_OUTCOME_UNKNOWN' } });
    await bench.converge(desired, now);
    expect({ at, ...(await lookAround()) }).toEqual({ at, ...ENDS[end] });
    expect(frozenGuests()).toEqual([]);
  }
}

/** What is on the host in the end. */
const complete = { volumes: DISKS, claimed: DISKS, files: ['/pool/web-vda.qcow2', '/fast/web-vdb.qcow2'] };
const OVERLAYS = ['default/web-vda.one.qcow2', 'fast/web-vdb.one.qcow2'];
const withOverlays = [...DISKS, ...OVERLAYS].toSorted();
const frozen = {
  volumes: withOverlays,
  claimed: DISKS,
  files: ['/pool/web-vda.one.qcow2', '/fast/web-vdb.one.qcow2'],
};
const ENDS = {
  snapshot: { volumes: withOverlays, vms: [{ ...frozen, state: 'ready', autostart: true }] },
  gone: { volumes: [], vms: [] },
  ready: { volumes: DISKS, vms: [{ ...complete, state: 'ready', autostart: true }] },
  seeded: {
    volumes: SEEDED,
    vms: [
      {
        volumes: SEEDED,
        claimed: [...DISKS, SEEDED[0]],
        files: [...complete.files, '/pool/web-seed.img'],
        state: 'ready',
        autostart: true,
      },
    ],
  },
  tombstone: { volumes: DISKS, vms: [{ ...complete, state: 'tombstone', autostart: false }] },
  kept: {
    volumes: DISKS,
    vms: [{ ...complete, files: ['/pool/web-vda.qcow2'], state: 'ready', autostart: true }],
  },
  reclaimed: {
    volumes: [DISKS[0]],
    vms: [
      {
        volumes: [DISKS[0]],
        claimed: [DISKS[0]],
        files: ['/pool/web-vda.qcow2'],
        state: 'ready',
        autostart: true,
      },
    ],
  },
};

/** Whose file systems are at rest: everything in such a guest hangs. */
function frozenGuests(): readonly string[] {
  return bench.host.domains.all().flatMap(({ name, guest }) => (guest.frozen ? [name] : []));
}

async function lookAround() {
  const { vms } = await bench.observe();
  return {
    volumes: volumesOf(bench.host),
    vms: vms.map(({ mark, disks, autostart }) => ({
      volumes: volumesOf(bench.host),
      claimed: mark?.volumes.map(({ pool, name }) => `${pool}/${name}`),
      files: disks.map(({ file }) => file),
      state: mark?.state,
      autostart,
    })),
  };
}

describe.each(STORIES)('$kind ($what)', (story) => {
  // A call that is never sent and the one before it whose answer is lost leave the same behind: once is enough.
  it.each(story === STORIES[0] ? CUTS : (['drop-reply'] as const))(
    'converges, and leaves nothing astray, whichever call meets a %s',
    async (cut) => {
      expect(await cutEveryCall(cut, story)).toBeGreaterThan(5);
    },
    60_000,
  );
});
