import { describe, expect, it } from 'vitest';
import type { DesiredVm } from '../../src/core/desired.ts';
import type { Mark } from '../../src/core/mark.ts';
import type { ObservedVm } from '../../src/core/observed.ts';
import { plan } from '../../src/core/plan.ts';
import { Secret } from '../../src/core/secret.ts';
import { seedFingerprint } from '../../src/core/seed.ts';
import {
  COMMIT,
  desiredSeed,
  desiredState,
  desiredVm,
  inWords,
  knownHost,
  mark,
  NOW,
  observedState,
  observedVm,
} from '../builders.ts';

const MAC = '52:54:00:00:00:01';
const SEED = desiredSeed({ motd: 'one' });
const NETWORK = { address: '10.0.0.11', prefix: 24, dns: [] };
const staticSeed = { ...SEED, content: new Secret({ ...SEED.content.reveal(), network: NETWORK }) };

function planOf(vm: Partial<DesiredVm>, found?: Partial<ObservedVm>) {
  const vms = found === undefined ? [] : [observedVm(found)];
  return plan(desiredState([desiredVm(vm)]), observedState(knownHost('a', vms)), {
    now: NOW,
    commit: COMMIT,
  });
}

function seeded(fingerprint: string): Mark {
  const volume = { target: 'vdz', pool: 'default', name: 'web-seed.img', made: true };
  return mark({ seed: fingerprint, volumes: [...mark().volumes, volume] });
}

describe('the seed of a VM', () => {
  it('is made with it, and stands in its mark', () => {
    const [create] = planOf({ seed: SEED, nics: [{ bridge: 'br0', mac: MAC }] }).steps;
    expect(create).toMatchObject({
      kind: 'create',
      mark: {
        seed: seedFingerprint(SEED, MAC),
        volumes: [{ target: 'vda' }, { target: 'vdz', pool: 'default', name: 'web-seed.img', made: true }],
      },
    });
  });

  it.each([
    ['is as git has it', SEED, seedFingerprint(SEED, MAC), []],
    ['is as git has it, with a card of this address', staticSeed, seedFingerprint(staticSeed, MAC), []],
    ['has another user data', SEED, seedFingerprint(desiredSeed({ motd: 'two' }), MAC), ['seed web on a']],
    ['has another name', SEED, seedFingerprint({ ...SEED, hostname: 'old' }, MAC), ['seed web on a']],
    ['has another card', staticSeed, seedFingerprint(staticSeed, '52:54:00:00:00:02'), ['seed web on a']],
  ])('that %s', (_, seed, fingerprint, steps) => {
    const { steps: found, held } = planOf({ seed }, { mark: seeded(fingerprint) });
    expect({ steps: inWords(found), held }).toEqual({ steps, held: [] });
  });

  it('does not count the card where the address is by DHCP', () => {
    expect(seedFingerprint(SEED, MAC)).toBe(seedFingerprint(SEED, '52:54:00:00:00:02'));
  });

  it('stays where git asks for none any more, and is no disk that git has dropped', () => {
    expect(planOf({}, { mark: seeded('0123') })).toEqual({ steps: [], held: [] });
  });

  it('is written after everything else: a secret that is missing keeps no VM from its start', () => {
    const { steps } = planOf({ seed: SEED, autostart: false }, { mark: seeded('0123'), power: 'shutoff' });
    expect(inWords(steps)).toEqual(['autostart web on a', 'start web on a', 'seed web on a']);
  });

  it.each([
    ['held, where the VM asks for it', true, ['it was created without a seed']],
    ['passed over, where only the defaults or the image do', false, []],
  ])('that a VM was created without is %s', (_, explicit, reasons) => {
    const { steps, held } = planOf({ seed: { ...SEED, explicit } }, {});
    expect(steps).toEqual([]);
    expect(held.map(({ because, reason }) => `${because}: ${reason}`)).toEqual(
      reasons.map((reason) => expect.stringContaining(`change: ${reason}`)),
    );
  });

  it('is known again when a removed VM comes back', () => {
    const tombstone = { ...seeded(seedFingerprint(SEED, MAC)), ...mark({ state: 'tombstone' }) };
    const { volumes, seed } = seeded(seedFingerprint(SEED, MAC));
    const found = { power: 'shutoff' as const, mark: { ...tombstone, volumes, ...(seed && { seed }) } };
    const [restore, start, ...more] = planOf({ seed: SEED }, found).steps;
    expect(restore).toMatchObject({ kind: 'restore', mark: { seed } });
    expect(start).toMatchObject({ kind: 'start' });
    expect(more).toEqual([]);
  });
});

describe('the host name inside a guest', () => {
  it.each([
    ['by ssh', { hostnameVia: 'ssh' }, {}, ['hostname web on a']],
    ['by its agent', { hostnameVia: 'agent' }, {}, ['hostname web on a']],
    [
      'anew, when git gives it another',
      { hostnameVia: 'ssh' },
      { mark: mark({ guestName: 'old' }) },
      ['hostname web on a'],
    ],
    ['once', { hostnameVia: 'ssh' }, { mark: mark({ guestName: 'web.lab.internal' }) }, []],
    [
      'when it is started',
      { hostnameVia: 'ssh' },
      { power: 'shutoff' },
      ['start web on a', 'hostname web on a'],
    ],
    ['not when it is stopped', { hostnameVia: 'ssh', power: 'off' }, {}, ['stop web on a']],
    ['not while it is off', { hostnameVia: 'ssh', power: 'manual' }, { power: 'shutoff' }, []],
    ['not where DHCP gives it', {}, {}, []],
    ['not where nobody does', { hostnameVia: 'none' }, {}, []],
  ] as const)('is set %s', (_, vm, found, steps) => {
    expect(inWords(planOf(vm, found).steps)).toEqual(steps);
  });

  it('is set in a new VM once it is started', () => {
    const { steps } = planOf({ hostnameVia: 'ssh' });
    expect(inWords(steps)).toEqual(['create web on a', 'start web on a', 'hostname web on a']);
    expect(steps[2]).toMatchObject({ via: 'ssh', hostname: 'web.lab.internal', address: '10.0.0.11' });
    expect(inWords(planOf({ hostnameVia: 'ssh', power: 'off' }).steps)).toEqual(['create web on a']);
  });

  it('is not forgotten when the mark is written anew', () => {
    const found = { mark: mark({ guestName: 'web.lab.internal', file: 'manifests/old.yaml' }) };
    const { steps } = planOf({ hostnameVia: 'ssh' }, found);
    expect(steps).toMatchObject([{ kind: 'mark', mark: { guestName: 'web.lab.internal' } }]);
  });
});
