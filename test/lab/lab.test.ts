import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { labAvailable } from './available.ts';
import { run } from './command.ts';
import type { LabHost } from './host.ts';
import { Lab } from './lab.ts';
import { waitFor } from './wait.ts';

const DOMAIN = `<domain type='qemu'><name>idle</name><memory unit='MiB'>32</memory>
  <os><type arch='x86_64' machine='q35'>hvm</type></os></domain>`;

describe.skipIf(!labAvailable().ok)('the lab', () => {
  let lab: Lab;
  beforeAll(async () => {
    lab = await Lab.start({ hosts: 2 });
  });
  afterAll(() => lab.stop());

  it('lets the operator in by the pinned host key, and has the pool ready', async () => {
    for (const host of lab.hosts) {
      expect(await ssh(lab, host, 'hostname')).toBe(`${host.name}\n`);
      expect(await host.virsh('pool-info', 'default')).toMatch(/State: +running[^]*Autostart: +yes/);
    }
  });

  it('has hosts that share nothing: a VM of one is not on the other', async () => {
    const [one, other] = [lab.host('t01'), lab.host('t02')];
    await one.define(DOMAIN);
    expect(await one.virsh('list', '--all', '--name')).toContain('idle');
    expect(await other.virsh('list', '--all', '--name')).not.toContain('idle');
    await one.virsh('undefine', 'idle');
  });

  it('knows only emulation, whatever the machine can do', async () => {
    const capabilities = await lab.host('t01').virsh('capabilities');
    expect(capabilities).toContain("<domain type='qemu'");
    expect(capabilities).not.toContain("<domain type='kvm'");
  });

  it('keeps definitions, pools and volumes over a power cut, and no running VM', async () => {
    const host = lab.host('t02');
    await host.define(DOMAIN);
    await host.virsh('start', 'idle');
    await host.virsh('vol-create-as', 'default', 'kept.qcow2', '1M', '--format', 'qcow2');
    await host.crash();
    expect(host.isUp()).toBe(false);
    await expect(host.exec(['true'])).rejects.toThrow('t02 is off');
    await host.boot();
    expect(await host.virsh('domstate', 'idle')).toMatch(/^shut off/);
    expect(await host.virsh('vol-list', 'default')).toContain('kept.qcow2');
    expect(await ssh(lab, host, 'hostname')).toBe('t02\n');
    await host.virsh('undefine', 'idle');
  });

  it('reaps a VM that is destroyed, as libvirt waits for that', async () => {
    const host = lab.host('t01');
    await host.define(DOMAIN);
    await host.virsh('start', 'idle');
    await host.virsh('destroy', 'idle');
    expect(await host.virsh('domstate', 'idle')).toMatch(/^shut off/);
    await host.virsh('undefine', 'idle');
  });

  it('makes connections hang while the cable is out', async () => {
    const host = lab.host('t01');
    await host.cut();
    await expect(ssh(lab, host, 'true')).rejects.toThrow('Connection timed out');
    await host.heal();
    expect(await ssh(lab, host, 'hostname')).toBe('t01\n');
  });

  it('runs beside another lab', async () => {
    const second = await Lab.start({ hosts: 1 });
    try {
      expect(second.network.prefix).not.toBe(lab.network.prefix);
      expect(await ssh(second, second.host('t01'), 'hostname')).toBe('t01\n');
      expect(await ssh(lab, lab.host('t01'), 'hostname')).toBe('t01\n');
    } finally {
      await second.stop();
    }
    expect(leftovers(second)).toEqual([]);
    expect(lab.hosts.every((host) => host.isUp())).toBe(true);
  });

  it('refuses a second lab in the same folder', async () => {
    await expect(Lab.start({ hosts: 1, dir: lab.dir })).rejects.toThrow('is up in');
  });

  it('leaves no process when its owner is killed, and the next lab removes the rest', async () => {
    const { owner, orphan } = await startInProcess();
    const host = orphan.host('t01');
    await host.define(DOMAIN);
    await host.virsh('start', 'idle');
    expect(processesOf(orphan).length).toBeGreaterThan(3);
    owner.kill('SIGKILL');
    await waitFor('the end of all its processes', () => isEmpty(processesOf(orphan)), { timeoutMs: 30_000 });
    const next = await Lab.start({ hosts: 1 });
    await next.stop();
    expect(leftovers(orphan)).toEqual([]);
  });
});

/** A lab that belongs to a process of its own. */
async function startInProcess() {
  const argv = ['--import', 'tsx', join(import.meta.dirname, 'cli.ts'), 'up', '1', '--foreground', '--json'];
  const owner = spawn(process.execPath, argv, { stdio: ['pipe', 'pipe', 'inherit'] });
  for await (const line of createInterface(owner.stdout)) {
    const { dir }: { dir: string } = JSON.parse(line);
    return { owner, orphan: Lab.open(dir) };
  }
  throw new Error('the process that was to start a lab ended without a word');
}

function ssh(lab: Lab, host: LabHost, command: string): Promise<string> {
  const options = [
    'BatchMode=yes',
    'ConnectTimeout=2',
    'StrictHostKeyChecking=yes',
    `UserKnownHostsFile=${lab.knownHosts}`,
  ];
  const flags = options.flatMap((option) => ['-o', option]);
  return run(['ssh', '-F', 'none', '-i', lab.operatorKey, ...flags, `root@${host.address}`, command]);
}

function isEmpty(list: readonly string[]): true {
  expect(list).toEqual([]);
  return true;
}

/** Interfaces, network namespaces, folder and processes of a lab that are still there. */
function leftovers(lab: Lab): readonly string[] {
  const namespaces = existsSync('/run/netns') ? readdirSync('/run/netns') : [];
  const named = [...readdirSync('/sys/class/net'), ...namespaces];
  const { bridge } = lab.network;
  return [
    ...named.filter((name) => name === bridge || name.startsWith(`${bridge}-`)),
    ...(existsSync(lab.dir) ? [lab.dir] : []),
    ...processesOf(lab),
  ];
}

/** Command lines of processes that name the lab's folder, or are in the network namespace of one that does. */
function processesOf(lab: Lab): readonly string[] {
  const all = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap(look);
  const own = readlinkSync('/proc/self/ns/net');
  const named = all.filter(({ command }) => command.includes(lab.dir));
  const namespaces = new Set(named.map(({ net }) => net).filter((net) => net !== own));
  return all.filter((one) => named.includes(one) || namespaces.has(one.net)).map(({ command }) => command);
}

function look(pid: string): { command: string; net: string }[] {
  try {
    const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
    return command === '' ? [] : [{ command, net: readlinkSync(`/proc/${pid}/ns/net`) }];
  } catch {
    return []; // It ended just now.
  }
}
