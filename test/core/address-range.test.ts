import { describe, expect, it } from 'vitest';
import { addressProblem, parseAddressRange } from '../../src/core/address-range.ts';

function ranges(...texts: readonly string[]) {
  return texts.map((text) => {
    const range = parseAddressRange(text);
    if (typeof range === 'string') throw new Error(range);
    return range;
  });
}

describe('parseAddressRange', () => {
  it.each([
    ['10.0.0.5/16', 'did you mean "10.0.0.0/16"?'],
    ['10.0.0.0/33', 'expected a network'],
    ['10.0.0.0/', 'expected a network'],
    ['10.0.0.0/016', 'expected a network'],
    ['10.0/16', 'expected a network'],
    ['10.0.0.9-10.0.0.1', 'ends before it begins'],
    ['10.0.0.1-10.0.0.2-10.0.0.3', 'expected a network'],
    ['10.0.0.1-', 'expected a network'],
    ['-', 'expected a network'],
    ['', 'expected a network'],
    ['010.0.0.1', 'expected a network'],
    ['fe80::1', 'expected a network'],
  ])('refuses %j: %s', (text, problem) => {
    expect(parseAddressRange(text)).toContain(problem);
  });
});

describe('addressProblem', () => {
  it.each([
    ['10.0.0.1', ['10.0.0.0/24']],
    ['10.0.0.254', ['10.0.0.0/24']],
    ['10.1.0.10', ['10.1.0.10-10.1.0.99']],
    ['10.1.0.99', ['10.9.0.0/16', '10.1.0.10 - 10.1.0.99']],
    ['10.1.0.7', ['10.1.0.7']],
    ['10.0.0.0', ['10.0.0.0/31']],
    ['10.0.0.1', ['10.0.0.1/32']],
    ['192.168.255.254', ['0.0.0.0/0']],
  ])('finds %s within %j', (address, texts) => {
    expect(addressProblem(address, ranges(...texts))).toBeUndefined();
  });

  it.each([
    ['10.0.1.1', ['10.0.0.0/24'], 'is outside the addresses that cluster.yaml allows (10.0.0.0/24)'],
    ['10.1.0.9', ['10.1.0.10-10.1.0.99'], 'is outside'],
    ['10.0.0.1', [], 'is outside the addresses that cluster.yaml allows (none)'],
    ['10.0.0.0', ['10.0.0.0/24'], 'is the network address of 10.0.0.0/24'],
    ['10.0.0.255', ['10.0.0.0/24'], 'is the broadcast address of 10.0.0.0/24'],
    ['10.0.3.255', ['10.0.0.0/16', '10.0.3.0/24'], 'is the broadcast address of 10.0.3.0/24'],
    ['127.0.0.1', undefined, 'is no address of a machine'],
    ['0.0.0.0', undefined, 'is no address of a machine'],
    ['224.0.0.1', undefined, 'is no address of a machine'],
    ['255.255.255.255', undefined, 'is no address of a machine'],
  ])('of %s within %j: %s', (address, texts, problem) => {
    expect(addressProblem(address, texts && ranges(...texts))).toContain(problem);
  });

  it('allows any address of a machine where no ranges are given', () => {
    expect(addressProblem('173.30.5.11', undefined)).toBeUndefined();
  });
});
