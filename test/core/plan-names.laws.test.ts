import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { assess } from '../../src/core/assess.ts';
import type { NameEntry } from '../../src/core/names-files.ts';
import { COMMIT, inWords, NOW } from '../builders.ts';
import { applyToModel } from '../fakes/apply-model.ts';
import { situations } from './fleets.ts';
import { knownNames, lease, OLD_MAC, WEB_MAC, withMac } from './names.ts';

describe('every plan with names', () => {
  const macOf = (name: string) =>
    ({ web: WEB_MAC, db: OLD_MAC, log: '52:54:00:00:00:03' })[name] ?? '52:54:00:00:00:04';
  const addressOf = (name: string) => ({ web: '10.0.0.11', db: '10.0.0.12' })[name] ?? '10.0.0.13';
  const entry = (name: string): NameEntry => ({
    vm: name,
    hostname: `${name}.lab.internal`,
    address: addressOf(name),
    mac: macOf(name),
  });
  const names = fc
    .record({
      entries: fc.subarray(['web', 'db', 'log']),
      leases: fc.subarray(['web', 'db', 'log']),
      isLoaded: fc.boolean(),
      shift: fc.boolean(),
    })
    .map(({ entries, leases, isLoaded, shift }) =>
      knownNames(entries.map(entry), {
        isLoaded,
        leases: leases.map((name) =>
          lease({ mac: macOf(shift && name === 'web' ? 'db' : name), address: addressOf(name) }),
        ),
      }),
    );

  it('leaves dnsmasq nothing to be told once it is applied', { timeout: 30_000 }, () => {
    fc.assert(
      fc.property(situations, names, ({ desired, observed }, known) => {
        // No two VMs of a commit are one VM of a host.
        fc.pre(new Set([...desired.vms.values()].map(({ uuid }) => uuid)).size === desired.vms.size);
        // What is made of another VM's disk waits until that one is off, and gets its names then.
        fc.pre([...desired.vms.values()].every(({ bootDisk }) => bootDisk?.image.sourceVm === undefined));
        const vms = new Map(
          [...desired.vms].map(([name, vm]) => [
            name,
            { ...vm, hostname: entry(name).hostname, ipaddress: addressOf(name) },
          ]),
        );
        const hosts = new Map(
          [...observed.hosts].map(([name, host]) => [
            name,
            host.kind === 'unknown'
              ? host
              : { ...host, vms: host.vms.map((vm) => withMac(vm, macOf(vm.name))) },
          ]),
        );
        const git = { ...desired, vms };
        const first = assess(git, { hosts, names: known }, { now: NOW, commit: COMMIT }).plan;
        const after = applyToModel({ hosts, names: known }, first.steps);
        const again = assess(git, after, { now: NOW, commit: COMMIT }).plan;
        expect(inWords(again.steps.filter(({ kind }) => kind === 'publish'))).toEqual([]);
      }),
      { numRuns: 100 },
    );
  });
});
