import { describe, expect, it } from 'vitest';
import { renderNames } from '../../src/core/names-files.ts';
import { DNSMASQ } from '../../src/core/names-subject.ts';
import type { KnownNames } from '../../src/core/observed-names.ts';
import type { PublishStep, ReleaseStep } from '../../src/core/step.ts';
import { createNames } from '../../src/names/names.ts';
import { CLUSTER } from '../builders.ts';
import { type FakeMachine, fakeMachine, SETTINGS } from './fake-machine.ts';

const LEASES = '/var/lib/misc/dnsmasq.leases';
const MAC = '52:54:00:00:00:01';

const entry = { vm: 'web', hostname: 'web.lab.internal', address: '10.0.0.11', mac: MAC };
const publish: PublishStep = {
  kind: 'publish',
  host: DNSMASQ,
  cluster: CLUSTER,
  files: renderNames({ cluster: CLUSTER, path: '/names/hosts' }, [entry]),
  reason: '1 new or changed',
};
const release: ReleaseStep = {
  kind: 'release',
  host: DNSMASQ,
  reason: 'held by old, which is shut off',
  lease: { mac: MAC, address: '10.0.0.11', clientId: '*', expires: 0 },
};

async function known(machine: FakeMachine): Promise<KnownNames> {
  const seen = await createNames(machine, SETTINGS).observe(AbortSignal.timeout(10_000));
  if (seen.kind === 'unknown') throw new Error(seen.reason);
  return seen;
}

describe('publishing names', () => {
  it('writes both files, signals once, and shows them from then on', async () => {
    const machine = fakeMachine();
    expect((await known(machine)).isLoaded).toBe(false);
    await createNames(machine, SETTINGS).apply(publish);
    expect(machine.loaded()).toEqual([publish.files.dhcpHosts, publish.files.hosts]);
    expect(machine.signals).toBe(1);
    const seen = await known(machine);
    expect([seen.files.dhcpHosts.text, seen.files.hosts.text]).toEqual(machine.loaded());
    expect(seen.isLoaded).toBe(true);
  });

  it('may be done twice', async () => {
    const machine = fakeMachine();
    const names = createNames(machine, SETTINGS);
    await names.apply(publish);
    const before = new Map(machine.files);
    await names.apply(publish);
    expect(machine.files).toEqual(before);
  });

  it('never writes over a file of somebody else', async () => {
    const machine = fakeMachine();
    machine.files.set('/names/hosts', '10.0.0.9 mine\n');
    await expect(createNames(machine, SETTINGS).apply(publish)).rejects.toMatchObject({ code: 'E_NOT_OURS' });
    expect(machine.files.get('/names/hosts')).toBe('10.0.0.9 mine\n');
    expect(machine.signals).toBe(0);
  });

  it('signals no process that is no dnsmasq', async () => {
    const machine = fakeMachine();
    machine.files.set('/proc/4711/comm', 'postgres\n');
    await expect(createNames(machine, SETTINGS).apply(publish)).rejects.toMatchObject({
      code: 'E_DNSMASQ',
      message: expect.stringContaining('postgres'),
    });
    expect(machine.signals).toBe(0);
  });

  it.each([
    [
      'by its unit',
      { kind: 'unit', name: 'dnsmasq.service' } as const,
      false,
      'systemctl kill --kill-who=main --signal=HUP dnsmasq.service',
    ],
    ['by sudo', SETTINGS.process, true, 'sudo -n kill -HUP 4711'],
  ])('finds and signals dnsmasq %s', async (_, process, sudo, command) => {
    const machine = fakeMachine();
    await createNames(machine, { ...SETTINGS, process, sudo }).apply(publish);
    expect(machine.commands).toContain(command);
    expect(machine.signals).toBe(1);
  });

  it('leaves something that the next pass sees and completes, at whichever call it is cut', async () => {
    for (let cut = 1; ; cut++) {
      const machine = fakeMachine();
      machine.beforeCall = (number) => {
        if (number === cut) throw new Error('cut');
      };
      const failed = await createNames(machine, SETTINGS)
        .apply(publish)
        .then(
          () => false,
          () => true,
        );
      machine.beforeCall = () => {};
      if (!failed) return;
      const seen = await known(machine);
      const isWritten =
        seen.files.dhcpHosts.text === publish.files.dhcpHosts &&
        seen.files.hosts.text === publish.files.hosts;
      const isRead = machine.loaded()[1] === publish.files.hosts;
      // A pass takes for done only what dnsmasq has read.
      expect(isWritten && seen.isLoaded && !isRead).toBe(false);
      await createNames(machine, SETTINGS).apply(publish);
      expect((await known(machine)).isLoaded).toBe(true);
      expect(machine.loaded()).toEqual([publish.files.dhcpHosts, publish.files.hosts]);
    }
  });
});

describe('releasing a lease', () => {
  it.each([
    ['ends it', `0 ${MAC} 10.0.0.11 old *\n`, ''],
    [
      'leaves the address to whom it belongs by now',
      '0 52:54:00:00:00:09 10.0.0.11 new *\n',
      '0 52:54:00:00:00:09 10.0.0.11 new *\n',
    ],
    ['is done where there is none any more', '', ''],
  ])('%s', async (_, before, after) => {
    const machine = fakeMachine();
    machine.files.set(LEASES, before);
    await createNames(machine, SETTINGS).apply(release);
    expect(machine.files.get(LEASES)).toBe(after);
  });
});

describe('what dnsmasq serves', () => {
  it('is unknown where dnsmasq does not run, and why is said', async () => {
    const machine = fakeMachine();
    machine.end();
    expect(await createNames(machine, SETTINGS).observe(AbortSignal.timeout(10_000))).toEqual({
      kind: 'unknown',
      reason: 'dnsmasq is not found on a fake: /run/dnsmasq.pid says 4711, and no such process runs',
    });
  });

  it('is read from all that it reads itself, and our own files are not foreign', async () => {
    const machine = fakeMachine(['-7', '/etc/dnsmasq.d,.bak', '--dhcp-host=52:54:00:00:00:07,10.0.0.7']);
    machine.files.set(
      '/etc/dnsmasq.d/kvm-leases',
      '# old\ndhcp-host=52:54:0:0:0:8,10.0.0.8\naddn-hosts=/srv/hosts.d\n',
    );
    machine.files.set('/etc/dnsmasq.d/broken.bak', 'dhcp-host=52:54:00:00:00:66,10.0.0.66\n');
    machine.files.set('/srv/hosts.d/more', '10.0.0.9 Printer # in the hall\n::1 six\n');
    machine.files.set(LEASES, `1799999999 ${MAC} 10.0.0.11 web 01:52\nduid 00:01\n`);
    await createNames(machine, SETTINGS).apply(publish);
    expect(await known(machine)).toMatchObject({
      reservations: [
        { macs: ['52:54:00:00:00:08'], address: '10.0.0.8', place: '/etc/dnsmasq.d/kvm-leases:2' },
        { macs: ['52:54:00:00:00:07'], address: '10.0.0.7', place: 'its command line' },
      ],
      hostEntries: [
        { address: '127.0.0.1', names: ['localhost'], place: '/etc/hosts:1' },
        { address: '10.0.0.9', names: ['printer'], place: '/srv/hosts.d/more:1' },
      ],
      networks: [{ text: '10.0.0.0/24' }],
      leases: [{ mac: MAC, address: '10.0.0.11', clientId: '01:52', expires: 1_799_999_999 }],
      interfaces: [{ name: 'br0', address: '10.0.0.1', prefix: 24 }],
    });
  });
});
