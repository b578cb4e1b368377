import { describe, expect, it } from 'vitest';
import { editDistance, suggest } from '../../src/core/suggest.ts';

const FIELDS = ['name', 'vcpus', 'memoryGb', 'maxMemoryGb', 'ipaddress', 'diskSize'];

describe('suggest', () => {
  it.each([
    ['memoryGB', 'memoryGb'],
    ['memory', 'memoryGb'],
    ['cpus', 'vcpus'],
    ['ip', 'ipaddress'],
    ['ipadress', 'ipaddress'],
    ['nmae', 'name'],
    ['diskSiez', 'diskSize'],
    ['colour', undefined],
    ['x', undefined],
    ['', undefined],
  ])('reads %j as %j', (word, field) => {
    expect(suggest(word, FIELDS)).toBe(field);
  });

  it('prefers the nearest', () => {
    expect(suggest('t011', ['t02', 't01', 't001'])).toBe('t01');
  });
});

describe('editDistance', () => {
  it.each([
    ['', 'abc', 3],
    ['kitten', 'sitting', 3],
    ['same', 'same', 0],
    ['vcpus', 'vpcus', 1],
  ])('from %j to %j takes %i letters', (a, b, distance) => {
    expect(editDistance(a, b)).toBe(distance);
    expect(editDistance(b, a)).toBe(distance);
  });
});
