import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { openInventory } from '../../src/hosts/inventory.ts';
import { knownHost, mark, observedVm, stranger } from '../builders.ts';

function folder(): string {
  const dir = mkdtempSync(join(tmpdir(), 'kvm-gitops-inventory-'));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

const tombstone = (power: 'running' | 'shutoff') =>
  observedVm({ name: 'old', power, mark: mark({ state: 'tombstone' }, 'old') });

describe('inventory', () => {
  it('knows nothing of a host that never answered, and the VMs of ours of one that did, after a restart too', async () => {
    const dir = folder();
    const inventory = await openInventory(dir);
    expect(inventory.lastSeen('a')).toBeUndefined();
    await inventory.remember([knownHost('a', [observedVm(), stranger()]), knownHost('b')]);
    const again = await openInventory(dir);
    expect([again.lastSeen('a'), again.lastSeen('b'), again.lastSeen('c')]).toEqual([['web'], [], undefined]);
    expect(readdirSync(dir)).toEqual(['inventory.json']);
  });

  it.each([
    ['running', ['old']],
    ['shutoff', ['old']],
  ] as const)(
    'of a tombstone that is %s remembers %j: nothing may be made beside its disks',
    async (power, names) => {
      const inventory = await openInventory(folder());
      await inventory.remember([knownHost('a', [tombstone(power)])]);
      expect(inventory.lastSeen('a')).toEqual(names);
    },
  );

  it('remembers a VM that is about to be made, beside those that it has seen', async () => {
    const dir = folder();
    const inventory = await openInventory(dir);
    await inventory.remember([knownHost('a', [observedVm()])]);
    await Promise.all([inventory.expect('a', 'db'), inventory.expect('a', 'cache')]);
    expect((await openInventory(dir)).lastSeen('a')).toEqual(['web', 'db', 'cache']);
    await inventory.remember([knownHost('a', [observedVm()])]);
    expect((await openInventory(dir)).lastSeen('a')).toEqual(['web']);
  });

  it.each(['', '{"a": ["web"', '[1]', '{"a": "web"}', 'null'])(
    'takes a file with %j for no memory',
    async (content) => {
      const dir = folder();
      writeFileSync(join(dir, 'inventory.json'), content);
      expect((await openInventory(dir)).lastSeen('a')).toBeUndefined();
    },
  );

  it('writes again what it could not write', async () => {
    const dir = folder();
    mkdirSync(join(dir, 'inventory.json.tmp'));
    const inventory = await openInventory(dir);
    await expect(inventory.remember([knownHost('a', [observedVm()])])).rejects.toThrow('EISDIR');
    rmSync(join(dir, 'inventory.json.tmp'), { recursive: true });
    await inventory.remember([knownHost('a', [observedVm()])]);
    expect((await openInventory(dir)).lastSeen('a')).toEqual(['web']);
  });

  it('for a command beside the operator never writes', async () => {
    const dir = folder();
    await (await openInventory(dir)).remember([knownHost('a', [observedVm()])]);
    const before = readFileSync(join(dir, 'inventory.json'), 'utf8');
    const reader = await openInventory(dir, { readOnly: true });
    await reader.remember([knownHost('a'), knownHost('b')]);
    expect(reader.lastSeen('b')).toEqual([]);
    expect(readFileSync(join(dir, 'inventory.json'), 'utf8')).toBe(before);
  });
});
