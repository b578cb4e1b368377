import { describe, expect, it } from 'vitest';
import { manifest, onlyVm, refused, repository, vm } from './repository.ts';

function vmWith(fields: Record<string, unknown>) {
  return onlyVm(repository([manifest('a.json', [vm(fields)])]));
}

function issuesWith(fields: Record<string, unknown>): string[] {
  return refused(repository([manifest('a.json', [vm(fields)])]));
}

describe('a VM in a manifest', () => {
  it.each([
    ['memory of a quarter GiB', { memoryGb: 0.25 }, { memoryMiB: 256, maxMemoryMiB: 256 }],
    ['memory of one MiB', { memoryGb: 1 / 1024 }, { memoryMiB: 1 }],
    ['more memory at most', { memoryGb: 4, maxMemoryGb: 8 }, { memoryMiB: 4096, maxMemoryMiB: 8192 }],
    ['the name as its hostname', {}, { hostname: 'web-1' }],
    [
      'a hostname, which knows no case',
      { hostname: 'Web-1.Lab.Internal' },
      { hostname: 'web-1.lab.internal' },
    ],
    ['power off, and then no autostart', { power: 'off' }, { power: 'off', autostart: false }],
    ['autostart though it is off', { power: 'off', autostart: true }, { autostart: true }],
    ['power in human hands', { power: 'manual' }, { power: 'manual', autostart: true }],
    ['protection', { protect: true }, { protect: true }],
    [
      'a MAC address in lower case',
      { mac: '52:54:00:AB:CD:EF' },
      { nics: [{ bridge: 'br0', mac: '52:54:00:ab:cd:ef' }] },
    ],
    ['a bridge', { bridge: 'br-dmz' }, { nics: [{ bridge: 'br-dmz' }] }],
    ['a description', { description: 'Größe: 2\n<ok> & 🙂' }, { description: 'Größe: 2\n<ok> & 🙂' }],
    [
      'data disks',
      { numDisks: 2, diskSize: 60, pool: 'fast' },
      {
        dataDisks: [
          { target: 'vdb', pool: 'fast', volume: 'web-1-vdb.qcow2', sizeGiB: 60 },
          { target: 'vdc', pool: 'fast', volume: 'web-1-vdc.qcow2', sizeGiB: 60 },
        ],
      },
    ],
    [
      'a boot disk of its own size and kind',
      { bootDiskGb: 40, clone: 'full' },
      {
        bootDisk: {
          pool: 'default',
          volume: 'web-1-vda.qcow2',
          image: { name: 'base', pool: 'default', volume: 'base.qcow2' },
          clone: 'full',
          sizeGiB: 40,
        },
      },
    ],
  ])('may have %s', (_, fields, expected) => {
    expect(vmWith(fields)).toMatchObject(expected);
  });

  it('may have as many data disks as there are letters', () => {
    expect(vmWith({ numDisks: 24, diskSize: 1 }).dataDisks.at(-1)?.target).toBe('vdy');
  });

  it.each([
    ['name', 'Web', 'a VM name'],
    ['name', 'web_1', 'a VM name'],
    ['name', '-web', 'a VM name'],
    ['name', 'web-', 'a VM name'],
    ['name', 'a'.repeat(64), 'a VM name'],
    ['name', '42', 'a VM name'],
    ['name', '', 'a VM name'],
    ['name', 'web\n', 'a VM name'],
    ['hostname', 'web..lab', 'a host name'],
    ['hostname', 'web_1.lab', 'a host name'],
    ['hostname', '10.0.0.1', 'a host name'],
    ['hostname', `${'a'.repeat(60)}.`.repeat(5), 'a host name'],
    ['ipaddress', '10.77.0', 'an IPv4 address'],
    ['ipaddress', '10.77.0.256', 'an IPv4 address'],
    ['ipaddress', '010.77.0.1', 'an IPv4 address'],
    ['ipaddress', '10.77.0.1/16', 'an IPv4 address'],
    ['ipaddress', 'fe80::1', 'an IPv4 address'],
    ['vcpus', 0, 'a whole number from 1 to 512'],
    ['vcpus', -1, 'a whole number from 1 to 512'],
    ['vcpus', 1.5, 'a whole number from 1 to 512'],
    ['vcpus', 513, 'a whole number from 1 to 512'],
    ['vcpus', '2', 'a whole number from 1 to 512'],
    ['vcpus', null, 'a whole number from 1 to 512'],
    ['memoryGb', 0, 'GiB above 0'],
    ['memoryGb', -4, 'GiB above 0'],
    ['memoryGb', 0.1, 'GiB above 0'],
    ['memoryGb', 1e-9, 'GiB above 0'],
    ['memoryGb', 1e300, 'GiB above 0'],
    ['memoryGb', '4G', 'GiB above 0'],
    ['maxMemoryGb', 0, 'GiB above 0'],
    ['numDisks', -1, 'a whole number from 0 to 24'],
    ['numDisks', 25, 'a whole number from 0 to 24'],
    ['diskSize', -60, 'a whole number from 0'],
    ['diskSize', 0.5, 'a whole number from 0'],
    ['bootDiskGb', 0, 'a whole number from 1'],
    ['image', '../etc', 'an image name'],
    ['clone', 'thin', 'one of overlay, full'],
    ['pool', '../x', 'a pool name'],
    ['pool', '-rf', 'a pool name'],
    ['bridge', 'a-bridge-far-too-long', 'the name of a bridge'],
    ['mac', '52:54:00:12:34', 'a unicast MAC address'],
    ['mac', '53:54:00:12:34:56', 'a unicast MAC address'],
    ['mac', '00:00:00:00:00:00', 'a unicast MAC address'],
    ['power', true, 'one of on, off, manual'],
    ['autostart', 'yes', 'true or false'],
    ['protect', 'true', 'true or false'],
    ['description', 'bell\u0007', 'text of 1000 characters'],
    ['description', '\uD800', 'text of 1000 characters'],
    ['description', 'x'.repeat(1001), 'text of 1000 characters'],
  ])('may not have %s %j', (field, value, expected) => {
    const issues = issuesWith({ [field]: value });
    expect(issues).toEqual([expect.stringContaining(`expected ${expected}`)]);
    expect(issues[0]).toMatch(new RegExp(`^manifests/a.json:\\d+:\\d+: ${field} of `));
  });

  it.each([
    ['diskSizes', 'unknown key "diskSizes" of web-1; did you mean "diskSize"?'],
    ['memoryGB', 'unknown key "memoryGB" of web-1; did you mean "memoryGb"?'],
    ['labels', 'unknown key "labels" of web-1 ('],
    ['<<', 'unknown key "<<" of web-1 (YAML 1.2 has no merge keys'],
    ['\u001b[31m', 'unknown key "\\u001b[31m" of web-1'],
  ])('may not have a field %j', (field, message) => {
    expect(issuesWith({ [field]: [] })).toEqual([expect.stringContaining(message)]);
  });

  it.each(['name', 'ipaddress', 'vcpus', 'memoryGb'])('must have %s', (field) => {
    expect(issuesWith({ [field]: undefined })).toEqual([
      expect.stringMatching(`"${field}" of .* is missing: expected`),
    ]);
  });

  it.each([
    [{ vcpus: '2' }, 'write it without quotes'],
    [{ protect: 'true' }, 'write it without quotes'],
    [{ hostname: 42 }, 'put it in quotes'],
  ])('with %j gets the hint %s', (fields, hint) => {
    expect(issuesWith(fields)).toEqual([expect.stringContaining(`(${hint})`)]);
  });

  it('gets one issue for a misspelt field that it must have', () => {
    expect(issuesWith({ ipaddress: undefined, ipadress: '10.77.0.11' })).toEqual([
      'manifests/a.json:9:5: unknown key "ipadress" of web-1; did you mean "ipaddress"?',
    ]);
  });

  it.each([
    [{ memoryGb: 8, maxMemoryGb: 4 }, 'memoryGb of web-1: expected at most maxMemoryGb (4), got 8'],
    [{ numDisks: 2 }, 'diskSize of web-1: expected more than 0 GiB because numDisks is 2, got nothing'],
    [
      { numDisks: 2, diskSize: 0 },
      'diskSize of web-1: expected more than 0 GiB because numDisks is 2, got 0',
    ],
    [{ image: 'bsae' }, 'image of web-1: no image "bsae" is declared in cluster.yaml; did you mean "base"?'],
    [{ image: 'constructor' }, 'no image "constructor" is declared'],
  ])('with %j does not hold together', (fields, message) => {
    expect(issuesWith(fields)).toEqual([expect.stringContaining(message)]);
  });

  it('gets all its issues at once', () => {
    const fields = {
      name: 'Web',
      vcpus: 0,
      memoryGb: 8,
      maxMemoryGb: 4,
      image: 'none',
      ipaddress: '127.0.0.1',
    };
    expect(issuesWith(fields)).toHaveLength(5);
  });
});
