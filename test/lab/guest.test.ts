import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { labAvailable } from './available.ts';
import { type Dhcp, startDhcp } from './dhcp.ts';
import { buildGuestImage, installBaseImage, readGuestFile } from './guest.ts';
import type { LabHost } from './host.ts';
import { Lab } from './lab.ts';
import { waitFor } from './wait.ts';

const MAC = '52:54:00:aa:00:01';
const VOLUME = 'web-vda.qcow2';

describe.skipIf(!labAvailable().ok)('the test guest', () => {
  let lab: Lab;
  let dhcp: Dhcp;
  let host: LabHost;
  beforeAll(async () => {
    lab = await Lab.start({ hosts: 1 });
    dhcp = await startDhcp(lab);
    host = lab.host('t01');
    const base = await installBaseImage(host, await buildGuestImage(), 'guest.qcow2');
    const backing = ['--backing-vol', base, '--backing-vol-format', 'qcow2'];
    await host.virsh('vol-create-as', 'default', VOLUME, '256M', '--format', 'qcow2', ...backing);
    await host.define(domain());
  });
  afterAll(() => lab.stop());

  it('boots from an overlay of the base image and takes a lease', async () => {
    await host.virsh('start', 'web');
    await guestReady(host);
    const lease = await waitFor('its lease', () => dhcp.leases().find(({ mac }) => mac === MAC), {
      timeoutMs: 30_000,
    });
    expect(lease.ip.startsWith(`${lab.network.prefix}.1`)).toBe(true);
  });

  it('stops within seconds when it is asked to', async () => {
    await host.virsh('shutdown', 'web');
    await isOff(host, 5_000);
    expect(await boots(host)).toHaveLength(1);
  });

  it('adds a line to the same disk at each boot', async () => {
    const before = await boots(host);
    await host.virsh('start', 'web');
    await guestReady(host);
    await host.virsh('destroy', 'web');
    const after = await boots(host);
    expect(after).toHaveLength(2);
    expect(after[0]).toBe(before[0]);
  });
});

async function guestReady(host: LabHost): Promise<void> {
  const log = join(host.stateDir, 'data01', 'web.log');
  const isReady = () => existsSync(log) && readFileSync(log, 'utf8').includes('guest ready');
  await waitFor('the guest to boot', isReady, { timeoutMs: 120_000 });
}

async function isOff(host: LabHost, timeoutMs: number): Promise<void> {
  const off = async () => (await host.virsh('domstate', 'web')).startsWith('shut off');
  await waitFor('the guest to stop', off, { timeoutMs });
}

async function boots(host: LabHost): Promise<readonly string[]> {
  return (await readGuestFile(host, VOLUME, 'boots.txt')).trim().split('\n');
}

function domain(): string {
  return `<domain type='qemu'>
  <name>web</name>
  <memory unit='MiB'>128</memory>
  <vcpu>1</vcpu>
  <os><type arch='x86_64' machine='q35'>hvm</type><boot dev='hd'/></os>
  <features><acpi/><apic/></features>
  <cpu mode='maximum'/>
  <devices>
    <disk type='file' device='disk'>
      <driver name='qemu' type='qcow2' discard='unmap'/>
      <source file='/data01/primary/${VOLUME}'/>
      <target dev='vda' bus='virtio'/>
    </disk>
    <interface type='bridge'><mac address='${MAC}'/><source bridge='br0'/><model type='virtio'/></interface>
    <serial type='file'><source path='/data01/web.log'/></serial>
    <memballoon model='virtio'/>
  </devices>
</domain>`;
}
