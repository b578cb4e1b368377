import { describe, expect, it } from 'vitest';
import { checkNames } from '../../src/names/check-names.ts';
import type { NamesSettings } from '../../src/names/settings.ts';
import { type FakeMachine, fakeMachine, SETTINGS } from './fake-machine.ts';

const UNIT: NamesSettings = { ...SETTINGS, process: { kind: 'unit', name: 'dnsmasq.service' } };
const SUDO: NamesSettings = { ...UNIT, sudo: true };
const HUP = 'systemctl kill --kill-who=main --signal=HUP dnsmasq.service';
const CONF = '/etc/dnsmasq.conf';
/** Booted at 1000, started 50 s after that. */
const STARTED: readonly (readonly [string, string])[] = [
  ['/proc/stat', 'cpu 1 2\nbtime 1000\n'],
  ['/proc/4711/stat', `4711 (dns masq) S ${'0 '.repeat(18)}5000 0\n`],
];
const AS_DNSMASQ = 'Uid:\t999\t999\t999\t999\nGid:\t30\t30\t30\t30\nGroups:\t31 32\n';
const WAY = 'stat -L -c %u %g %a %n -- / /names';

async function findings(machine: FakeMachine, settings: NamesSettings = SETTINGS) {
  return checkNames(machine, settings);
}

/** `WHAT: DETAIL` of what does not work. */
async function failures(machine: FakeMachine, settings?: NamesSettings): Promise<string[]> {
  const all = await findings(machine, settings);
  return all.filter(({ ok }) => !ok).map(({ what, detail }) => `${what}: ${detail}`);
}

type Change = (machine: FakeMachine) => void;
const answering =
  (command: string, answer: Parameters<FakeMachine['answers']['set']>[1]): Change =>
  ({ answers }) =>
    void answers.set(command, answer);
const writing =
  (path: string, text: string): Change =>
  ({ files }) =>
    void files.set(path, text);

it('finds all that names need, and changes nothing', async () => {
  const machine = fakeMachine();
  const before = new Map(machine.files);
  const all = await findings(machine);
  expect(all.filter(({ ok }) => !ok)).toEqual([]);
  expect(all.map(({ what }) => what)).toContain('signal to dnsmasq');
  expect([machine.files, machine.signals]).toEqual([before, 0]);
});

describe('a wrong configuration', () => {
  it.each<[string, Change, string]>([
    [
      'that dnsmasq would not start with',
      answering('dnsmasq --test --dhcp-range=10.0.0.100,10.0.0.199,255.255.255.0', {
        code: 1,
        stderr: 'dnsmasq: bad option at line 3 of /etc/dnsmasq.conf\n',
      }),
      'dnsmasq on a fake: process 4711; dnsmasq --test: dnsmasq: bad option at line 3',
    ],
    [
      'without one of the two lines',
      writing(CONF, 'addn-hosts=/names/hosts\n'),
      'its configuration lacks `dhcp-hostsfile=/names/dhcp-hosts`: add it, then restart',
    ],
    [
      'with a line of another folder',
      writing(CONF, 'dhcp-hostsfile=/names/dhcp-hosts\naddn-hosts=/other/hosts\n'),
      'lacks `addn-hosts=/names/hosts`',
    ],
    [
      'that is younger than dnsmasq',
      (machine) => {
        for (const [path, text] of STARTED) machine.files.set(path, text);
        machine.answers.set(`stat -L -c %Y -- ${CONF}`, { stdout: '1060\n' });
      },
      `${CONF} was changed after dnsmasq was started: restart it`,
    ],
    [
      'whose folder is not there',
      answering('test -d /names', { code: 1 }),
      'it is not there, on a fake: make it',
    ],
    [
      'whose folder is not ours',
      answering('test -w /names -a -x /names', { code: 1 }),
      'root may not write to it',
    ],
    [
      "whose folder dnsmasq's user does not get to",
      (machine) => {
        machine.files.set('/proc/4711/status', AS_DNSMASQ);
        machine.answers.set(WAY, { stdout: '0 0 755 /\n0 0 700 /names\n' });
      },
      "dnsmasq's user may not go into /names: `chmod o+x /names`",
    ],
    [
      'of a process that we may not signal',
      answering('kill -0 4711', { code: 1, stderr: 'kill: (4711): Operation not permitted\n' }),
      'signal to dnsmasq: root may not signal process 4711 (kill: (4711): Operation not permitted)',
    ],
    [
      'without the tool that releases leases',
      answering('sh -c command -v dhcp_release', { code: 127 }),
      'release of leases: dhcp_release is not there: install dnsmasq-utils',
    ],
    [
      'of a user that may release no lease',
      answering('grep CapEff /proc/self/status', { stdout: 'CapEff:\t0000000000000020\n' }),
      'release of leases: root may not use /usr/bin/dhcp_release',
    ],
    ['whose process is gone', (machine) => machine.end(), 'dnsmasq is not found on a fake'],
  ])('%s is said with what to do', async (_, change, message) => {
    const machine = fakeMachine();
    change(machine);
    const found = await failures(machine);
    expect(found).toHaveLength(1);
    expect(found[0]).toContain(message);
  });
});

describe('what is right in another way', () => {
  it.each<[string, Change]>([
    [
      'a configuration as old as dnsmasq',
      (machine) => {
        for (const [path, text] of STARTED) machine.files.set(path, text);
        machine.answers.set(`stat -L -c %Y -- ${CONF}`, { stdout: '1050\n' });
      },
    ],
    [
      "a folder that dnsmasq's group gets to",
      (machine) => {
        machine.files.set('/proc/4711/status', AS_DNSMASQ);
        machine.answers.set(WAY, { stdout: '0 0 755 /\n0 32 750 /names\n' });
      },
    ],
  ])('%s is no mistake', async (_, change) => {
    const machine = fakeMachine();
    change(machine);
    expect(await failures(machine)).toEqual([]);
  });
});

describe('the right to signal by systemd', () => {
  it.each<[string, NamesSettings, Change, string[]]>([
    ['is root', UNIT, answering('id -u', { stdout: '0\n' }), []],
    [
      'is nobody',
      UNIT,
      answering('id -u', { stdout: '998\n' }),
      [
        'root may not use `systemctl kill --kill-who=main --signal=HUP dnsmasq.service`: log in as root, or set dnsmasq.sudo',
      ],
    ],
    ['has sudo', SUDO, answering(`sudo -n -l ${HUP}`, { stdout: '/usr/bin/systemctl ...\n' }), []],
    [
      'lacks sudo',
      SUDO,
      answering(`sudo -n -l ${HUP}`, { code: 1, stderr: 'sudo: a password is required\n' }),
      [`sudo does not let root run \`${HUP}\` (sudo: a password is required)`],
    ],
  ])('whoever %s', async (_, settings, change, messages) => {
    const machine = fakeMachine();
    change(machine);
    const found = (await failures(machine, settings)).filter((one) => one.startsWith('signal'));
    expect(found).toEqual(messages.map((one) => `signal to dnsmasq: ${one}`));
  });
});
