import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { labAvailable } from './available.ts';
import { run } from './command.ts';
import type { LabHost } from './host.ts';
import { onlyOne } from './host-view.ts';
import { BASE_IMAGE, hasBooted, useSite } from './operator-fixture.ts';
import { waitFor } from './wait.ts';

const POOL = '/data01/primary';
const NAMES = ['tdh-m01', 'tdh-d01', 'tdh-d02'] as const;
/** The manifest that the scripts of old were given. */
const OLD = [
  {
    host: 't01',
    vmspecs: NAMES.map((name, index) => ({
      name,
      hostname: `${name}.tdh.internal`,
      ipaddress: `10.77.22.${index + 11}`,
      vcpus: 1,
      memoryGb: 4,
    })),
  },
];

/** Three VMs, made as people made them: one from XML, the others cloned from it, resized, one with one more disk. */
async function makeByHand(host: LabHost): Promise<void> {
  const [base, clone, third] = NAMES;
  await host.exec(['cp', `${POOL}/${BASE_IMAGE}`, `${POOL}/${base}-vda.img`]);
  await host.define(`<domain type='qemu'><name>${base}</name>
    <memory unit='MiB'>192</memory><vcpu>1</vcpu>
    <os><type arch='x86_64' machine='pc'>hvm</type><boot dev='hd'/></os><features><acpi/></features>
    <devices>
      <disk type='file' device='disk'><driver name='qemu' type='qcow2'/>
        <source file='${POOL}/${base}-vda.img'/><target dev='vda' bus='virtio'/></disk>
      <disk type='file' device='cdrom'><target dev='hdc' bus='ide'/><readonly/></disk>
      <interface type='bridge'><source bridge='br0'/><model type='virtio'/></interface>
      <rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>
    </devices></domain>`);
  for (const name of [clone, third])
    await host.exec(['virt-clone', '--original', base, '--name', name, '--file', `${POOL}/${name}-vda.img`]);
  await host.virsh('setmem', clone, '131072', '--config');
  await host.virsh('setvcpus', clone, '4', '--config', '--maximum');
  await host.exec(['qemu-img', 'create', '-q', '-f', 'qcow2', `${POOL}/${third}-vdb.img`, '100M']);
  await host.virsh(
    'attach-disk',
    third,
    `${POOL}/${third}-vdb.img`,
    'vdb',
    '--subdriver',
    'qcow2',
    '--config',
  );
  await host.virsh('pool-refresh', 'default');
  await host.virsh('start', base);
  await host.virsh('start', clone);
}

/** The QEMU process of a VM: another one after a restart. */
async function processOf(host: LabHost, name: string): Promise<string> {
  return (await host.exec(['cat', `/run/libvirt/qemu/${name}.pid`])).trim();
}

/** Its XML without our mark. */
async function definitionOf(host: LabHost, name: string): Promise<string> {
  return (await host.virsh('dumpxml', '--inactive', name)).replace(/ *<metadata>.*<\/metadata>\n/s, '');
}

describe.skipIf(!labAvailable().ok)(
  'adopting VMs that were made by hand, each test going on where the last one ended',
  () => {
    const site = useSite();
    let adopted: string;

    it('1: `adopt` writes a manifest of three of them, with what the old one knows', async () => {
      const { lab, remote, cli, look } = site();
      const host = lab.host('t01');
      await makeByHand(host);
      for (const file of ['web.yaml', 'db.json']) remote.remove(`manifests/${file}`);
      await remote.push('No VMs');
      const old = join(lab.dir, 'old.json');
      writeFileSync(old, JSON.stringify(OLD));
      await Promise.all(
        [NAMES[0], NAMES[1]].map(async (name) => hasBooted(site(), onlyOne(await look(), name), 1)),
      );
      const { code, stdout, stderr } = await cli('adopt', 't01', '--from', old);
      expect({ code, stderr }).toMatchObject({ code: 0 });
      expect(stderr).toContain('a purge deletes default/tdh-d02-vda.img, default/tdh-d02-vdb.img');
      remote.write('manifests/t01.yaml', stdout);
      expect(await cli('validate', remote.clone)).toMatchObject({ code: 0 });
      const planned = await cli('plan', remote.clone);
      expect(planned.stdout).toMatch(/\n3 to adopt\n$/);
    });

    it('2: the commit marks them, restarts and changes none, and the next plan is empty', async () => {
      const { lab, remote, start, applied, cli, look } = site();
      const host = lab.host('t01');
      const running = [NAMES[0], NAMES[1]];
      const before = {
        processes: await Promise.all(running.map((name) => processOf(host, name))),
        definitions: await Promise.all(NAMES.map((name) => definitionOf(host, name))),
      };
      adopted = await remote.push('Adopt the fleet');
      await start();
      const { summary } = await applied(adopted);
      expect(summary.done).toEqual({ adopt: 3 });
      expect({
        processes: await Promise.all(running.map((name) => processOf(host, name))),
        definitions: await Promise.all(NAMES.map((name) => definitionOf(host, name))),
      }).toEqual(before);
      const hosts = await look();
      for (const name of NAMES) expect(onlyOne(hosts, name).mark).toMatchObject({ state: 'ready' });
      expect(await cli('plan')).toMatchObject({ code: 0 });
      expect(await cli('drift')).toMatchObject({ code: 0 });
    });

    it('3: drift is put back, or only reported where git says so', async () => {
      const { lab, remote, operator, applied, cli, noteOf } = site();
      const host = lab.host('t01');
      const memoryOf = async (name: string) =>
        /<currentMemory[^>]*>(\d+)</.exec(await definitionOf(host, name))?.[1];
      const right = await memoryOf(NAMES[2]);
      // libvirt tells of no change to a definition's memory: only the next look shows it.
      const spoil = async () => {
        await host.virsh('setmem', NAMES[2], '65536', '--config');
        operator.signal('SIGUSR1');
      };
      await spoil();
      await waitFor('the memory to be put back', async () => (await memoryOf(NAMES[2])) === right, {
        timeoutMs: 60_000,
      });

      remote.replace('manifests/t01.yaml', `- name: ${NAMES[2]}`, `- name: ${NAMES[2]}\n      drift: report`);
      const reporting = await remote.push('Only report');
      await applied(reporting);
      await spoil();
      const note = await noteOf(reporting, ({ text }) => text.includes('(drift)'));
      expect(note.text).toMatch(/^applied; somebody has changed hosts since/);
      expect(await memoryOf(NAMES[2])).toBe('65536');
      const seen = await cli('drift');
      expect(seen.code).toBe(2);
      expect(seen.stdout).toMatch(/tdh-d02 +memoryGb +0.1875 +0.0625 +drift: only reported/);
      await host.virsh('setmem', NAMES[2], right ?? '', '--config');
      await waitFor('the drift to be gone', async () => (await cli('drift')).code === 0, {
        timeoutMs: 60_000,
      });
    });

    it('4: an adopted VM that leaves git is kept with its disks, and a revert brings it back', async () => {
      const { lab, remote, applied, look } = site();
      const host = lab.host('t01');
      const text = remote.read('manifests/t01.yaml');
      const start = text.indexOf(`- name: ${NAMES[2]}`);
      const end = text.indexOf('- name: ', start + 1);
      remote.write('manifests/t01.yaml', (text.slice(0, start) + (end < 0 ? '' : text.slice(end))).trimEnd());
      const removal = await remote.push('One less');
      expect((await applied(removal)).summary.done).toEqual({ remove: 1 });
      expect(onlyOne(await look(), NAMES[2])).toMatchObject({ mark: { state: 'tombstone' } });
      expect((await applied(await remote.revert(removal))).summary.done).toEqual({ restore: 1 });
      expect(onlyOne(await look(), NAMES[2]).mark?.volumes).toMatchObject([
        { target: 'vda', name: 'tdh-d02-vda.img' },
        { target: 'vdb', name: 'tdh-d02-vdb.img' },
      ]);
      expect(await run(['ls', host.poolDir])).toContain('tdh-d02-vdb.img');
    });
  },
);
