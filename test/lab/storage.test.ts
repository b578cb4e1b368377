import { createHash, randomBytes } from 'node:crypto';
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { labAvailable } from './available.ts';
import { buildGuestImage } from './guest.ts';
import { onlyOne } from './host-view.ts';
import { hasBooted, useSite } from './operator-fixture.ts';
import { waitFor } from './wait.ts';

const BIG_BYTES = 192 * 1024 ** 2;

function sha256(path: string): string {
  return createHash('sha256').update(readFileSync(path)).digest('hex');
}

describe.skipIf(!labAvailable().ok)(
  'pools and base images, each test going on where the last one ended',
  () => {
    const site = useSite(() => {}, { hosts: 2 });
    const inSite = (name: string) => join(site().lab.dir, 'site', name);
    let images = '';

    function writeCluster(pools = ''): void {
      site().remote.write(
        'cluster.yaml',
        `cluster: demo
defaults: {image: guest, pool: fast}
pools: {fast: {path: /data01/fast}${pools}}
hosts: {t01: , t02: {pools: {fast: {path: /data01/elsewhere/fast}}}}
images: {${images}}
`,
      );
    }

    function writeVms(...vms: readonly string[]): void {
      const groups = vms.map((vm) => {
        const [host, name = '', ...rest] = vm.split(' ');
        const more = rest.join(' ');
        const address = 10 * (name.codePointAt(0) ?? 0) - 960 + (name.codePointAt(name.length - 1) ?? 0);
        const size = 'vcpus: 1, memoryGb: 0.25';
        return `- host: ${host}\n  vmspecs: [{name: ${name}, ipaddress: 10.77.21.${address}, ${size}${more}}]\n`;
      });
      site().remote.write('manifests/vms.yaml', groups.join(''));
    }

    const filesOn = async (host: string, folder: string) =>
      (await site().lab.host(host).exec(['ls', folder])).split('\n').filter((name) => name !== '');

    it('sets pools up at another path on each host, brings the image there, and guests boot from it', async () => {
      const { remote, start, applied, look, lab } = site();
      const guest = await buildGuestImage();
      copyFileSync(guest.path, inSite('guest.qcow2'));
      images = `guest: {file: ${inSite('guest.qcow2')}, sha256: ${sha256(guest.path)}}`;
      for (const file of ['db.json', 'web.yaml']) remote.remove(`manifests/${file}`);
      writeCluster();
      writeVms('t01 a-1', 't02 b-1');
      const first = await remote.push('Pools, an image, two machines');
      await start();
      const { summary, text } = await applied(first);
      expect(summary.done).toEqual({ pool: 2, image: 2, create: 2, start: 2 });
      expect(text).toContain('brought image guest');
      const base = `base-${sha256(guest.path).slice(0, 16)}.qcow2`;
      expect(await filesOn('t01', '/data01/fast')).toEqual(['a-1-vda.qcow2', base]);
      expect(await filesOn('t02', '/data01/elsewhere/fast')).toEqual(['b-1-vda.qcow2', base]);
      for (const { name } of lab.hosts) {
        const info = await lab.host(name).virsh('pool-info', 'fast');
        expect(info).toMatch(/State: +running\n[^]*Autostart: +yes/);
      }
      const hosts = await look();
      await Promise.all(['a-1', 'b-1'].map((name) => hasBooted(site(), onlyOne(hosts, name), 1)));
    });

    it('starts a pool that somebody stopped, and makes what is to be in it after that', async () => {
      const { remote, applied, lab } = site();
      await lab.host('t01').virsh('pool-destroy', 'fast');
      writeVms('t01 a-1', 't02 b-1', 't01 a-2 , power: "off"');
      const { summary } = await applied(await remote.push('One more'));
      // What is in a pool shows only once it is started: the image is looked for again, and is there.
      expect(summary.done).toEqual({ pool: 1, image: 1, create: 1 });
      expect(await lab.host('t01').virsh('pool-info', 'fast')).toContain('running');
    });

    it('refuses a file that is not what git names, and the VMs of it alone', async () => {
      const { remote, noteOf } = site();
      images += `, wrong: {file: ${inSite('guest.qcow2')}, sha256: ${'ab'.repeat(32)}}`;
      writeCluster();
      writeVms(
        't01 a-1',
        't02 b-1',
        't01 a-2 , power: "off"',
        't01 d-1 , image: wrong',
        't02 b-2 , power: "off"',
      );
      const sha = await remote.push('A wrong sum');
      const { text, summary } = await noteOf(sha, (note) => note.summary.failed > 0);
      expect(summary).toMatchObject({ status: 'partial', done: { create: 1 } });
      expect(text).toContain('does not have the sha256 that git names');
      expect((await filesOn('t01', '/data01/fast')).filter((name) => name.startsWith('base-'))).toHaveLength(
        1,
      );
    });

    it('makes a copy again that was killed half-way', async () => {
      const { remote, start, applied, lab, operator } = site();
      const big = inSite('big.img');
      writeFileSync(big, randomBytes(BIG_BYTES));
      images = `${images.split(', wrong')[0]}, big: {file: ${big}, sha256: ${sha256(big)}, format: raw}`;
      writeCluster();
      writeVms(
        't01 a-1',
        't02 b-1',
        't01 a-2 , power: "off"',
        't01 c-1 , image: big, power: "off"',
        't02 b-2 , power: "off"',
      );
      const volume = `/data01/fast/base-${sha256(big).slice(0, 16)}.img`;
      const sha = await remote.push('A big image');
      const size = async () =>
        Number(await lab.host('t01').exec(['sh', '-c', `stat -c %s ${volume} 2>/dev/null || echo 0`]));
      const cutAt = await waitFor(
        'some of the image',
        async () => {
          const bytes = await size();
          return bytes > 8 * 1024 ** 2 && bytes;
        },
        { timeoutMs: 60_000, intervalMs: 5 },
      );
      await operator.kill();
      expect(cutAt).toBeLessThan(BIG_BYTES);
      expect(await size()).toBeLessThan(BIG_BYTES);
      await start();
      const { summary } = await applied(sha);
      expect(summary.done).toMatchObject({ create: 1 });
      expect((await lab.host('t01').exec(['sha256sum', volume])).split(' ')[0]).toBe(sha256(big));
      expect(await lab.host('t01').exec(['stat', '-c', '%a', volume])).toBe('444\n');
    }, 180_000);

    it('brings the disk of a VM that is shut off to other hosts, as it was when it was first read', async () => {
      const { remote, applied, look, lab } = site();
      const host = lab.host('t02');
      const file = '/data01/primary/golden.qcow2';
      await host.exec(['cp', '/data01/primary/base.qcow2', file]);
      // Not the image of the others.
      await host.exec(['sh', '-c', `printf golden >> ${file}`]);
      await host.virsh('pool-refresh', 'default');
      const driver = "<driver name='qemu' type='qcow2'/>";
      const disk = `<disk type='file' device='disk'>${driver}<source file='${file}'/><target dev='vda' bus='virtio'/></disk>`;
      await host.define(
        `<domain type='qemu'><name>centos7</name><memory unit='MiB'>128</memory><os><type>hvm</type></os><devices>${disk}</devices></domain>`,
      );
      const sum = (await host.exec(['sha256sum', file])).slice(0, 64);
      images += ', golden: {srcvm: centos7, host: t02}';
      writeCluster();
      const others = ['t01 a-1', 't02 b-1', 't01 a-2 , power: "off"', 't01 c-1 , image: big, power: "off"'];
      writeVms(...others, 't02 b-2 , power: "off"', 't01 a-3 , image: golden');
      const { summary } = await applied(await remote.push('An overlay of centos7, on another host'));
      expect(summary.done).toEqual({ image: 1, create: 1, start: 1 });
      const base = `/data01/fast/base-${sum.slice(0, 16)}.qcow2`;
      expect((await lab.host('t01').exec(['sha256sum', base])).slice(0, 64)).toBe(sum);
      await hasBooted(site(), onlyOne(await look(), 'a-3'), 1);

      await host.exec(['sh', '-c', `printf changed >> ${file}`]);
      writeVms(
        ...others,
        't02 b-2 , power: "off"',
        't01 a-3 , image: golden',
        't02 b-3 , image: golden, clone: full',
      );
      await applied(await remote.push('A whole copy of it, where it is'));
      const kept = `/data01/elsewhere/fast/base-${sum.slice(0, 16)}.qcow2`;
      expect((await host.exec(['sha256sum', kept])).slice(0, 64)).toBe(sum);
      const hosts = await look();
      await hasBooted(site(), onlyOne(hosts, 'b-3'), 1);
      expect(onlyOne(hosts, 'centos7')).toMatchObject({ running: false });
    });

    it('lists images with what uses them, and deletes only what is named and used no more', async () => {
      const { remote, applied, cli } = site();
      images = images.replace(/, big: \{[^}]*\}/, '');
      writeCluster();
      writeVms('t01 a-1', 't02 b-1', 't01 a-3 , image: golden', 't02 b-3 , image: golden, clone: full');
      await applied(await remote.push('Fewer'));
      const { stdout } = await cli('images');
      expect(stdout).toMatch(/^guest +t01 +checked +fast\/base-\w+\.qcow2 +17 MiB +\S+ +a-1/m);
      expect(stdout).toMatch(/^guest +t02 +checked .* b-1/m);
      expect(stdout).toMatch(/^golden +t01 +checked .* VM centos7 on t02 +a-3$/m);
      expect(stdout).toMatch(/^golden +t02 +checked .* VM centos7 on t02$/m);
      expect(stdout).toMatch(/^- +t01 +checked +fast\/base-\w+\.img +192 MiB +not in git +c-1/m);
      const [, volume = ''] = stdout.match(/fast\/(base-\w+\.img)/) ?? [];
      expect(await cli('images', 'prune', volume, '--yes')).toMatchObject({
        code: 1,
        stdout: `kept fast/${volume} on t01 (192 MiB): c-1 would be broken\n`,
      });
      await cli('purge', 'c-1', '--yes');
      const gone = async () => !(await filesOn('t01', '/data01/fast')).includes('c-1-vda.qcow2');
      await waitFor('the purge of c-1', gone, { timeoutMs: 60_000 });
      expect((await cli('images', 'prune')).stdout).toBe(
        `would delete fast/${volume} on t01 (192 MiB): add --yes\n`,
      );
      expect((await cli('images', 'prune', '--yes')).stdout).toBe(
        `deleted fast/${volume} on t01 (192 MiB)\n`,
      );
      expect(await filesOn('t01', '/data01/fast')).not.toContain(volume);
    });

    it('brings an image once into a folder that two hosts share, and deletes it only when neither uses it', async () => {
      const { remote, applied, cli, look, lab } = site();
      for (const { name } of lab.hosts) {
        const share = 'mkdir -p /mnt/share /data01/share && mount --bind /mnt/share /data01/share';
        await lab.host(name).exec(['sh', '-c', share]);
      }
      const guest = inSite('guest.qcow2');
      const shared = inSite('shared.qcow2');
      writeFileSync(shared, Buffer.concat([readFileSync(guest), Buffer.from('shared')]));
      images += `, shared: {file: ${shared}, sha256: ${sha256(shared)}, pool: share}`;
      writeCluster(', share: {path: /data01/share}');
      const others = [
        't01 a-1',
        't02 b-1',
        't01 a-3 , image: golden',
        't02 b-3 , image: golden, clone: full',
      ];
      writeVms(...others, 't01 a-4 , image: shared', 't02 b-4 , image: shared');
      const { summary } = await applied(await remote.push('One folder for two hosts'));
      expect(summary.done).toEqual({ pool: 2, image: 2, create: 2, start: 2 });
      const base = `base-${sha256(shared).slice(0, 16)}.qcow2`;
      const inodes = await Promise.all(
        lab.hosts.map(({ name }) => lab.host(name).exec(['stat', '-c', '%i', `/data01/share/${base}`])),
      );
      expect(new Set(inodes).size).toBe(1);
      const hosts = await look();
      await Promise.all(['a-4', 'b-4'].map((name) => hasBooted(site(), onlyOne(hosts, name), 1)));

      images = images.replace(/, shared: \{[^}]*\}/, '');
      writeCluster(', share: {path: /data01/share}');
      writeVms(...others);
      await applied(await remote.push('Gone again'));
      await cli('purge', 'b-4', '--yes');
      const gone = async () => !(await filesOn('t02', '/data01/elsewhere/fast')).includes('b-4-vda.qcow2');
      await waitFor('the purge of b-4', gone, { timeoutMs: 60_000 });
      expect(await cli('images', 'prune', base, '--host', 't02', '--yes')).toMatchObject({
        code: 1,
        stdout: `kept share/${base} on t02 (17 MiB): a-4 on t01 would be broken\n`,
      });
    });
  },
);
