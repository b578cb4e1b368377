import { describe, expect, it } from 'vitest';
import { macAddress, vmUuid } from '../../src/core/identity.ts';

describe('vmUuid', () => {
  it.each([
    ['lab', 'web-1', '5ddc0480-533e-501c-8504-e7b2ff1d56a7'],
    ['lab', 'web-2', '186a2d54-01d7-5f27-8cad-bfebefa5a2a8'],
    ['prod', 'web-1', '9317a257-746d-5733-ad29-67cf2697a103'],
  ])('of %s/%s is the same for ever', (cluster, name, uuid) => {
    expect(vmUuid(cluster, name)).toBe(uuid);
  });
});

describe('macAddress', () => {
  it.each([
    { cluster: 'lab', name: 'web-1', nic: 0, salt: 0, mac: '52:54:00:6d:c6:c6' },
    { cluster: 'lab', name: 'web-1', nic: 0, salt: 1, mac: '52:54:00:35:8f:95' },
    { cluster: 'lab', name: 'web-1', nic: 1, salt: 0, mac: '52:54:00:1c:23:f4' },
    { cluster: 'prod', name: 'web-1', nic: 0, salt: 0, mac: '52:54:00:dc:ad:89' },
  ])('of $cluster/$name, card $nic, salt $salt is the same for ever', ({ cluster, name, nic, salt, mac }) => {
    expect(macAddress(cluster, name, nic, salt)).toBe(mac);
  });
});
