import { describe, expect, it } from 'vitest';
import { labAvailable } from './available.ts';
import { type HostEvents, listenTo } from './host-events.ts';
import { onlyOne } from './host-view.ts';
import type { ManifestsRemote } from './manifests-remote.ts';
import { hasBooted, useSite } from './operator-fixture.ts';
import { waitFor } from './wait.ts';

const SOON = { timeoutMs: 60_000 };
const CLUSTER = `cluster: demo
defaults: { image: base, power: on }
hosts: { t01: , t02: }
images:
  base: { pool: default, volume: base.qcow2 }
  agent: { pool: default, volume: agent.qcow2 }
  deaf: { pool: default, volume: deaf.qcow2 }
`;

interface Spec {
  readonly host: string;
  readonly address: number;
  readonly fields: Readonly<Record<string, unknown>>;
}
type Specs = Readonly<Record<'db' | 'web' | 'mule', Spec>>;

/** `db` shuts down by its agent alone, `web` by the power button, and `mule` by neither. */
let specs: Specs = {
  db: { host: 't02', address: 1, fields: { image: 'agent' } },
  web: { host: 't01', address: 2, fields: { dependsOn: ['db'] } },
  mule: { host: 't02', address: 3, fields: { image: 'deaf', power: 'manual', autostart: false } },
};

function declareAll(
  remote: ManifestsRemote,
  changes: Partial<Record<keyof Specs, Spec['fields']>> = {},
): void {
  const changed = (name: keyof Specs) => ({
    ...specs[name],
    fields: { ...specs[name].fields, ...changes[name] },
  });
  specs = { db: changed('db'), web: changed('web'), mule: changed('mule') };
  const groups = Object.entries(specs).map(([name, { host, address, fields }]) => ({
    host,
    vmspecs: [{ name, ipaddress: `10.77.21.${address}`, vcpus: 1, memoryGb: 0.1875, ...fields }],
  }));
  remote.write('manifests/power.json', `${JSON.stringify(groups, null, 2)}\n`);
}

describe.skipIf(!labAvailable().ok)(
  'power as git has it, each test going on where the last one ended',
  () => {
    const site = useSite(
      (remote) => {
        remote.remove('manifests');
        remote.write('cluster.yaml', CLUSTER);
        declareAll(remote);
      },
      { hosts: 2, images: { 'agent.qcow2': ['agent', 'deaf'], 'deaf.qcow2': ['deaf'] } },
    );

    /** Listens to both hosts while something is done. */
    async function during(work: (heard: (vm: string, what: string) => number | undefined) => Promise<void>) {
      const { lab } = site();
      const feeds: HostEvents[] = await Promise.all(lab.hosts.map((host) => listenTo(lab, host)));
      const heard = (vm: string, what: string) =>
        feeds.flatMap(({ seen }) => seen).find((event) => event.vm === vm && event.what === what)?.atMs;
      try {
        await work(heard);
      } finally {
        for (const feed of feeds) feed.close();
      }
    }
    const runId = async (vm: string) => {
      const { lab, look } = site();
      return (await lab.host(onlyOne(await look(), vm).host).virsh('domid', vm)).trim();
    };
    const boots = async (vm: string, times: number) =>
      hasBooted(site(), onlyOne(await site().look(), vm), times);

    it('1: starts a VM only when what it depends on runs, on another host', async () => {
      const { configure, start, applied, remote } = site();
      configure({ shutdownTimeout: '20s' });
      await during(async (heard) => {
        const first = await remote.push('Three machines');
        await start();
        await applied(first);
        const [db, web] = [heard('db', 'started booted'), heard('web', 'started booted')];
        expect(db).toBeDefined();
        expect(web).toBeGreaterThan(db ?? Number.POSITIVE_INFINITY);
      });
      await Promise.all([boots('db', 1), boots('web', 1)]);
    });

    it('2: stops them in the reverse order, the one by its power button, the other by its agent', async () => {
      const { applied, remote } = site();
      await during(async (heard) => {
        declareAll(remote, { db: { power: 'off' }, web: { power: 'off' } });
        await applied(await remote.push('Rest'));
        const [db, web] = [heard('db', 'stopped shutdown'), heard('web', 'stopped shutdown')];
        expect(web).toBeDefined();
        expect(db).toBeGreaterThan(web ?? Number.POSITIVE_INFINITY);
      });
      declareAll(remote, { db: { power: 'on' }, web: { power: 'on' } });
      await applied(await remote.push('Work'));
      await Promise.all([boots('db', 2), boots('web', 2)]);
    });

    it('3: shows a change as pending that a VM does not take as it runs, in plan, note and status', async () => {
      const { applied, remote, cli, look, operator } = site();
      const before = await runId('db');
      declareAll(remote, { db: { maxMemoryGb: 0.375, vcpus: 2 } });
      const pending = 'vcpus 1 -> 2, max memory MiB 192 -> 384';
      const inPlan = `db on t02: ${pending}, from its next start on (restart: never;`;
      expect((await cli('plan', remote.clone)).stdout).toContain(inPlan);
      const { text } = await applied(await remote.push('More for db'));
      expect(text).toContain(`pending restart of db on t02: ${pending} (restart: never)\n`);
      expect((await cli('status')).stdout).toMatch(
        new RegExp(`^ +db +running +ready +pending restart: ${pending}`, 'm'),
      );
      expect((await cli('plan')).stdout).toContain(inPlan);
      const t02 = (await operator.status()).hosts.find(({ name }) => name === 't02');
      expect(t02?.kind === 'known' && t02.vms).toContainEqual(
        expect.objectContaining({ name: 'db', pendingRestart: pending }),
      );
      expect(await runId('db')).toBe(before);
      expect(onlyOne(await look(), 'db').xml).toContain("<vcpu placement='static'>2</vcpu>");
    });

    it('4: power-cycles it gracefully once git allows that', async () => {
      const { applied, remote, lab } = site();
      await during(async (heard) => {
        declareAll(remote, { db: { restart: 'allowed' } });
        const { text, summary } = await applied(await remote.push('Restart db'));
        expect(summary.done).toEqual({ restart: 1 });
        expect(text).toContain('  t02  restarted db\n');
        expect(text).not.toContain('pending restart');
        expect(heard('db', 'stopped shutdown')).toBeDefined();
      });
      expect(await lab.host('t02').virsh('vcpucount', 'db', '--live', '--active')).toMatch(/^2\s/);
      await boots('db', 3);
    });

    it('5: keeps a guest running that shuts down by nothing, keeps no newer commit waiting for it, says so, and pulls its plug where git allows it', async () => {
      const { applied, noteOf, remote, lab } = site();
      const t02 = lab.host('t02');
      await t02.virsh('start', 'mule');
      await boots('mule', 1);
      const before = await runId('mule');
      declareAll(remote, { mule: { power: 'on', restart: 'allowed', force: 'never', vcpus: 2 } });
      const older = await remote.push('Restart the mule');
      const isResized = async () => /^2\s/.test(await t02.virsh('vcpucount', 'mule', '--config', '--active'));
      await waitFor('the restart, which comes next', isResized, SOON);
      declareAll(remote, { db: { hostname: 'store.demo.internal' } });
      const sha = await remote.push('Another name for db');
      const isDescribed = async () => (await t02.virsh('desc', 'db', '--title')).includes('store');
      // Half of the time that the mule has.
      await waitFor('the newer commit to be applied', isDescribed, { timeoutMs: 10_000 });
      expect((await noteOf(older, ({ summary }) => summary.status === 'superseded')).text).toContain(
        `by ${sha.slice(0, 12)}`,
      );
      const { text } = await noteOf(sha, ({ summary }) => summary.status === 'partial' && summary.failed > 0);
      expect(text).toMatch(
        /^ {2}failed restart of mule on t02: E_TIMEOUT mule on t02 did not shut down within 20 s\. It runs on, as force is never/m,
      );
      expect(text).toContain('pending restart of mule on t02: vcpus 1 -> 2 (restart: allowed)\n');
      expect(await runId('mule')).toBe(before);
      await during(async (heard) => {
        declareAll(remote, { mule: { force: 'allowed' } });
        const { summary } = await applied(await remote.push('Pull its plug'));
        expect(summary.done).toMatchObject({ restart: 1 });
        expect(heard('mule', 'stopped destroyed')).toBeDefined();
      });
      expect(await runId('mule')).not.toBe(before);
    });

    it('6: resumes a VM whose memory was saved, which does not boot', async () => {
      const { lab, operator } = site();
      await during(async (heard) => {
        await lab.host('t01').virsh('managedsave', 'web');
        await waitFor('web to go on', () => heard('web', 'started restored'), SOON);
        expect(heard('web', 'started booted')).toBeUndefined();
      });
      expect(await operator.stop()).toBe(0);
    });
  },
);
