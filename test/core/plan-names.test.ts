import { describe, expect, it } from 'vitest';
import { generationOf, renderNames } from '../../src/core/names-files.ts';
import type { ObservedHost } from '../../src/core/observed.ts';
import type { Pause } from '../../src/core/pause.ts';
import { stepId } from '../../src/core/step.ts';
import {
  adoptedVm,
  CLUSTER,
  desiredVm,
  inWords,
  knownHost,
  mark,
  observedVm,
  stranger,
  unknownHost,
} from '../builders.ts';
import {
  judge,
  knownNames,
  OLD_MAC,
  off,
  old,
  oldEntry,
  publishOf,
  runs,
  startOf,
  WEB_MAC,
  web,
  webEntry,
  written,
} from './names.ts';

describe('what dnsmasq is told', () => {
  it('is nothing new while its files are as they are to be', () => {
    expect(judge([web], [knownHost('a', [runs])], knownNames([webEntry])).plan.steps).toEqual([]);
  });

  it('is the address and both names of each VM, under the MAC address that it has', () => {
    const { steps } = judge([web], [knownHost('a', [runs])], knownNames()).plan;
    expect(publishOf(steps).files.dhcpHosts).toContain(`\n${WEB_MAC},id:*,10.0.0.11,web\n`);
    expect(publishOf(steps).files.hosts).toContain('\n10.0.0.11 web.lab.internal web\n');
  });

  it('comes before the start of a VM that is new, with the MAC address that it is created with', () => {
    const { steps } = judge([web], [knownHost('a', [])], knownNames()).plan;
    const create = steps.find((step) => step.kind === 'create');
    expect(written(steps)).toEqual([`web 10.0.0.11 ${create?.macs[0]}`]);
    expect(startOf(steps)).toEqual(['publish dnsmasq/names']);
  });

  it('holds up no VM whose entry stays as it is', () => {
    const db = desiredVm({ name: 'db', ipaddress: '10.0.0.12' });
    const { steps } = judge([web, db], [knownHost('a', [off])], knownNames([webEntry])).plan;
    const start = steps.find((step) => stepId(step) === 'start a/web');
    expect(start?.after).toBeUndefined();
  });

  it('is said again where dnsmasq has not read it', () => {
    const { steps } = judge(
      [web],
      [knownHost('a', [runs])],
      knownNames([webEntry], { isLoaded: false }),
    ).plan;
    expect(steps).toMatchObject([{ kind: 'publish', reason: 'dnsmasq has not read them' }]);
  });

  it('shows as another version where the same names go into another file', () => {
    const [one, other] = ['/a/hosts', '/b/hosts'].map((path) =>
      renderNames({ cluster: CLUSTER, path }, [webEntry]),
    );
    expect(generationOf(one?.hosts ?? '')?.name).toBe(generationOf(other?.hosts ?? '')?.name);
    expect(generationOf(one?.hosts ?? '')?.address).not.toBe(generationOf(other?.hosts ?? '')?.address);
  });

  it('is left alone while it is unknown, and the VMs are not', () => {
    const { plan } = judge([web], [knownHost('a', [off])], { kind: 'unknown', reason: 'no such file' });
    expect(inWords(plan.steps)).toEqual(['start web on a']);
  });

  it.each<[string, ObservedHost, string[]]>([
    ['loses a VM that is removed at once', knownHost('a', [old]), []],
    ['keeps one whose host does not answer', unknownHost('a', ['old']), [`old 10.0.0.11 ${OLD_MAC}`]],
  ])('%s', (_, host, expected) => {
    const other = desiredVm({ name: 'db', host: 'b', ipaddress: '10.0.0.12', power: 'off' });
    const there = observedVm({
      ...off,
      name: 'db',
      uuid: other.uuid,
      mark: mark({ uuid: other.uuid }, 'db'),
    });
    const { steps } = judge([other], [host, knownHost('b', [there])], knownNames([oldEntry])).plan;
    expect(written(steps).filter((line) => !line.startsWith('db'))).toEqual(expected);
  });

  it('keeps a VM whose removal waits for a confirmation', () => {
    const { plan } = judge([], [knownHost('a', [old])], knownNames([oldEntry]));
    expect(inWords(plan.held)).toEqual(['remove old on a']);
    expect(plan.steps).toEqual([]);
  });

  it('keeps the MAC address of a VM whose host does not answer, with the address of git', () => {
    const moved = { ...web, ipaddress: '10.0.0.13' };
    const { steps } = judge([moved], [unknownHost('a', ['web'])], knownNames([webEntry])).plan;
    expect(written(steps)).toEqual([`web 10.0.0.13 ${WEB_MAC}`]);
  });

  it.each<[string, string[], string[]]>([
    ['free', [], ['web 10.0.0.11 52:54:00:00:00:99']],
    ['that of another VM', ['52:54:00:00:00:99'], []],
  ])(
    'has a MAC address from git that is %s while the host of its VM does not answer',
    (_, macs, expected) => {
      const declared = { ...web, host: 'c', nics: [{ bridge: 'br0', mac: '52:54:00:00:00:99' }] };
      const hosts = [knownHost('a', [stranger({ name: 'alien', macs })]), unknownHost('c', [])];
      const names = knownNames([], { isLoaded: false });
      expect(written(judge([declared], hosts, names).plan.steps)).toEqual(expected);
    },
  );

  it.each([
    ['that nobody of us wrote', '52:54:00:00:00:09,10.0.0.9\n', 'not written by us'],
    [
      "of another cluster's operator",
      knownNames().files.hosts.text.replace(/lab\n/, 'prod\n'),
      'cluster prod',
    ],
  ])('never goes into a file %s', (_, text, reason) => {
    const { files } = knownNames();
    const names = knownNames([], { files: { ...files, dhcpHosts: { ...files.dhcpHosts, text } } });
    const { plan } = judge([web], [knownHost('a', [])], names);
    expect(inWords(plan.steps)).toEqual(['create web on a']);
    expect(plan.held.map((held) => held.reason).join()).toContain(reason);
    expect(inWords(plan.held)).toContain('start web on a');
  });
});

describe('an adopted VM', () => {
  it('has its entry in the pass that adopts it', () => {
    const adopted = adoptedVm({ name: 'web', ipaddress: '10.0.0.11', uuid: runs.uuid });
    const found = stranger({ name: 'web', uuid: runs.uuid, macs: [WEB_MAC] });
    const { steps } = judge([adopted], [knownHost('a', [found])], knownNames()).plan;
    expect(inWords(steps)).toContain('adopt web on a');
    expect(written(steps)).toEqual([`web 10.0.0.11 ${WEB_MAC}`]);
  });
});

describe('an address of a VM that git no longer has, and that may still run', () => {
  it('is not given to another one', () => {
    const elsewhere = { ...web, host: 'b' };
    const { plan } = judge(
      [elsewhere],
      [unknownHost('a', ['old']), knownHost('b', [])],
      knownNames([oldEntry]),
    );
    expect(inWords(plan.steps)).toEqual(['create web on b']);
    expect(plan.held).toMatchObject([{ kind: 'start', because: 'unknown' }]);
    expect(plan.held[0]?.reason).toContain('10.0.0.11 is still that of old, which may run on a');
  });
});

describe('what is left alone', () => {
  const paused = (scope: Pause['scope']): Pause[] => [
    { because: 'suspended', scope, reason: 'suspended by ann' },
  ];
  const moved = { ...web, ipaddress: '10.0.0.19' };
  const db = desiredVm({ name: 'db', host: 'b', ipaddress: '10.0.0.12', power: 'off' });

  it('keeps the entry that it has, and that is said; others get theirs', () => {
    const hosts = [knownHost('a', [runs]), knownHost('b')];
    const { steps, held } = judge([moved, db], hosts, knownNames([webEntry]), paused({ host: 'a' })).plan;
    expect(written(steps)).toEqual([expect.stringMatching(/^db 10\.0\.0\.12 /), `web 10.0.0.11 ${WEB_MAC}`]);
    expect(held).toMatchObject([
      { subject: 'web', kind: 'publish', because: 'suspended', reason: 'suspended by ann' },
    ]);
  });

  it('keeps the entry of a VM whose removal waits, and its address from another one', () => {
    const heir = { ...web, ipaddress: '10.0.0.11' };
    const pause = paused({ host: 'b', vm: 'old' });
    const hosts = [knownHost('a', [off]), knownHost('b', [old])];
    const { steps, held } = judge([heir], hosts, knownNames([oldEntry]), pause).plan;
    expect(steps.filter(({ kind }) => kind !== 'publish')).toEqual([]);
    expect(held).toContainEqual(
      expect.objectContaining({
        subject: 'web',
        kind: 'start',
        because: 'suspended',
        reason: '10.0.0.11 is still that of old, whose removal from b is held',
      }),
    );
  });

  it('is dnsmasq too where everything is', () => {
    const { plan } = judge([moved], [knownHost('a', [runs])], knownNames(), paused({}));
    expect(plan.steps).toEqual([]);
    expect(plan.held.map(({ kind }) => kind)).toContain('publish');
  });
});
