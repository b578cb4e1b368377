import { expect, it } from 'vitest';
import { connectHost } from '../../src/hosts/host-link.ts';
import { connectSsh } from '../../src/hosts/ssh.ts';
import { openLibvirt } from '../../src/libvirt/libvirt.ts';
import { failureOf, onEveryHost } from './site.ts';

onEveryHost('connecting', (bench) => {
  it('goes over a forwarded socket first', async () => {
    const { way, detail } = await bench.connect();
    expect({ way, detail }).toEqual({ way: 'streamlocal', detail: 'streamlocal /run/libvirt/libvirt-sock' });
  });

  it('goes through virt-ssh-helper where the socket is not to be had', async () => {
    const { target } = bench.site;
    const libvirt = { uri: 'qemu:///system', sudo: false, socket: '/run/nowhere' };
    const { way, client, close } = await connectHost(
      { target, libvirt },
      (stream, signal) => openLibvirt(stream, { signal }),
      AbortSignal.timeout(20_000),
    );
    expect(way).toBe('virt-ssh-helper');
    expect(await client.node.hostname()).toBe('t01');
    close();
  });

  it('does not find a socket that is not there', async () => {
    const ssh = await connectSsh(bench.site.target);
    await expect(ssh.openSocket('/run/nowhere')).rejects.toMatchObject({ reason: 2 });
    ssh.close();
  });

  it('refuses another key than the operator has', async () => {
    const refused = connectSsh({ ...bench.site.target, user: 'nobody-here' });
    await expect(refused).rejects.toMatchObject({ code: 'E_SSH_AUTH' });
  });

  it('tells the facts of the host', async () => {
    const { node } = bench.libvirt;
    expect(await node.hostname()).toBe(bench.site.name);
    expect(await node.libvirtVersion()).toMatch(/^\d+\.\d+\.\d+$/);
    const info = await node.info();
    expect(info).toMatchObject({ model: 'x86_64', nodes: 1 });
    expect(info.cpus).toBe(info.sockets * info.cores * info.threads);
    expect(info.memoryKiB).toBeGreaterThan(0);
    expect(Object.keys(await node.memoryStats())).toEqual(['total', 'free', 'buffers', 'cached']);
  });

  it('offers emulation, and no hardware virtualisation', async () => {
    const { node } = bench.libvirt;
    expect(await node.domainCapabilities()).toContain('<domain>qemu</domain>');
    expect(await node.capabilities()).toContain("<domain type='qemu'");
    expect(await failureOf(node.domainCapabilities({ virtType: 'kvm' }))).toEqual({
      code: 'INVALID_ARG',
      domain: 10,
      message:
        "invalid argument: the accel 'kvm' is not supported by '/usr/bin/qemu-system-x86_64' on this host",
    });
  });

  it('names the machine that an alias stands for', async () => {
    const xml = await bench.libvirt.node.domainCapabilities({ machine: 'q35', virtType: 'qemu' });
    expect(xml).toMatch(/<machine>pc-q35-\d+\.\d+<\/machine>/);
  });

  it.each([
    ['an unknown type', { virtType: 'foo' }, 'INVALID_ARG', 'unknown virttype: foo'],
    ['a foreign architecture', { arch: 'aarch64' }, 'CONFIG_UNSUPPORTED', 'unable to find any emulator'],
    ['an unknown machine', { machine: 'q36' }, 'INVALID_ARG', "the machine 'q36' is not supported"],
  ])('has no capabilities for %s', async (_, query, code, message) => {
    const failure = await failureOf(bench.libvirt.node.domainCapabilities(query));
    expect(failure).toMatchObject({ code, message: expect.stringContaining(message) });
  });

  it('answers a hundred calls that are under way at once', async () => {
    const answers = Array.from({ length: 100 }, () => bench.libvirt.node.hostname());
    expect(new Set(await Promise.all(answers))).toEqual(new Set([bench.site.name]));
  });
});
