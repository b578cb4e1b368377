import { describe, expect, it } from 'vitest';
import { labAvailable } from './available.ts';
import { listen } from './guest-console.ts';
import { diskHas, writeToDisk } from './guest-disk.ts';
import { onlyOne } from './host-view.ts';
import type { CommitNote } from './manifests-remote.ts';
import { hasBooted, type Site, useSite } from './operator-fixture.ts';
import { waitFor } from './wait.ts';

const CLUSTER_YAML = `cluster: demo
defaults: { image: base, bridge: br0 }
images:
  base: { pool: default, volume: base.qcow2 }
`;
const SECTORS_PER_GIB = 2 ** 21;
const VDC = 'db-9-vdc.qcow2';

/** What the only VM is to look like, in YAML. */
function spec(lines: string): string {
  return `- host: t01\n  vmspecs:\n    - { name: db-9, ipaddress: 10.77.21.9, vcpus: 1, memoryGb: 0.25, ${lines} }\n`;
}

describe.skipIf(!labAvailable().ok)(
  'the disks and cards of a VM that runs, each test going on where the last one ended',
  () => {
    const site = useSite(
      (remote) => {
        for (const file of ['web.yaml', 'db.json']) remote.remove(`manifests/${file}`);
        remote.write('cluster.yaml', CLUSTER_YAML);
        remote.write('manifests/vm.yaml', spec('numDisks: 1, diskSize: 1'));
      },
      { hosts: 1 },
    );
    let removal: string;

    async function pushed(lines: string, what: string): Promise<string> {
      site().remote.write('manifests/vm.yaml', spec(lines));
      return site().remote.push(what);
    }

    async function applied(lines: string, what: string): Promise<CommitNote> {
      return site().applied(await pushed(lines, what));
    }

    it('1: a disk grows, and the guest sees it', async () => {
      const { remote, start, look } = site();
      const first = await remote.push('One machine');
      await start();
      await site().applied(first);
      await hasBooted(site(), onlyOne(await look(), 'db-9'), 1);
      await guestSees(site(), { vdb: 1 });
      const { summary, text } = await applied('numDisks: 1, diskSize: 2', 'A larger disk');
      expect(summary.done).toEqual({ grow: 1 });
      expect(text).toContain('t01  grew a disk of db-9');
      await guestSees(site(), { vdb: 2 });
    });

    it('2: a disk is added while it runs, and the guest sees it', async () => {
      const { summary } = await applied('numDisks: 2, diskSize: 2', 'One more disk');
      expect(summary).toMatchObject({ done: { attach: 1 }, pendingRestart: 0 });
      await guestSees(site(), { vdb: 2, vdc: 2 });
      await writeToDisk(site().lab.host('t01'), 'db-9', VDC);
    });

    it('3: a disk that leaves git is taken out, and kept with its data', async () => {
      const { lab, cli, remote } = site();
      removal = await pushed('numDisks: 1, diskSize: 2', 'One disk less');
      const { summary } = await site().applied(removal);
      expect(summary).toMatchObject({ done: { detach: 1 }, pendingRestart: 0 });
      await guestSees(site(), { vdb: 2, vdc: 0 });
      expect(await diskHas(lab.host('t01'), VDC)).toBe(true);
      const { stdout } = await cli('volumes', '--json');
      expect(JSON.parse(stdout)).toMatchObject({
        volumes: [{ vm: 'db-9', host: 't01', target: 'vdc', name: VDC, bytes: 2 * 1024 ** 3 }],
      });
      expect((await cli('status')).stdout).toContain(VDC);
      expect(remote.read('manifests/vm.yaml')).toContain('numDisks: 1');
    });

    it('4: `git revert` brings it back with its data', async () => {
      const { remote, lab } = site();
      const { summary } = await site().applied(await remote.revert(removal));
      expect(summary).toMatchObject({ done: { attach: 1 }, pendingRestart: 0 });
      await guestSees(site(), { vdb: 2, vdc: 2 });
      expect(await diskHas(lab.host('t01'), VDC)).toBe(true);
    });

    it('5: a commit that would shrink a disk is refused with both sizes', async () => {
      const refused = await pushed('numDisks: 2, diskSize: 1', 'Too small');
      const { text } = await site().noteOf(refused, ({ summary }) => summary.status === 'refused');
      expect(text).toMatch(
        /manifests\/vm\.yaml:3: db-9: disk vdb has 2 GiB on t01, and git wants 1 GiB: a disk does not shrink/,
      );
      expect(text).toContain('disk vdc has 2 GiB');
    });

    it('6: its card changes the bridge while it runs, and its MAC address with its next start', async () => {
      const { lab, look } = site();
      const host = lab.host('t01');
      await host.exec(['ip', 'link', 'add', 'br7', 'type', 'bridge']);
      const disks = 'disks: [{ sizeGb: 2 }, { sizeGb: 2 }]';
      const mac = '52:54:00:77:77:77';
      const card = `bridge: br7, mac: "${mac}", description: moved`;
      const wanted = await pushed(`${disks}, ${card}`, 'Another bridge, another MAC address');
      const { text } = await site().noteOf(wanted, ({ summary }) => summary.pendingRestart === 1);
      expect(text).toMatch(new RegExp(`pending restart of db-9 on t01: MAC address .* -> ${mac}`));
      expect(onlyOne(await look(), 'db-9').macs).toEqual([mac]);
      expect(await host.virsh('domiflist', 'db-9')).toContain('br7');
      expect(await host.virsh('desc', 'db-9')).toContain('moved');
    });
  },
);

/** Waits until the guest says on its console that it has disks of that many GiB; 0: it has none of that name. */
async function guestSees({ lab }: Site, disks: Readonly<Record<string, number>>): Promise<void> {
  const host = lab.host('t01');
  const isSo = async () => {
    const last = (await listen(host, 'db-9')).findLast((line) => /^guest disks( vd[a-z]=\d+)+$/.test(line));
    if (last === undefined) return false;
    const seen = new Map(
      [...last.matchAll(/ (vd[a-z])=(\d+)/g)].map(([, name, size]) => [name, Number(size)]),
    );
    return Object.entries(disks).every(([name, gib]) => (seen.get(name) ?? 0) === gib * SECTORS_PER_GIB);
  };
  await waitFor(`the guest to see ${JSON.stringify(disks)}`, isSo, { timeoutMs: 60_000, intervalMs: 10 });
}
