import { describe, expect, it } from 'vitest';
import { endOfSuspension, reasonOf, scopeOf } from '../../src/core/suspension-wish.ts';

describe('what a person suspends', () => {
  const hosts = new Map([['t01', {}]]);
  it.each<[string, string | undefined, boolean, string]>([
    ['nothing at all', undefined, false, 'say what: HOST, HOST/VM or all'],
    ['both', 't01', true, 'all, and t01: say one of them'],
    ['a VM without its host', 'web-1', false, 'a VM is named HOST/VM'],
    ['a path', 't01/../x', false, '"t01/../x" is not HOST/VM'],
    ['a VM with no name', 't01/', false, '"t01/" is not HOST/VM'],
  ])('is refused: %s', (_, target, all, why) => {
    expect(() => scopeOf(target, all, hosts)).toThrow(why);
  });

  it.each([
    ['t01', { host: 't01' }],
    ['t01/web-1', { host: 't01', vm: 'web-1' }],
  ])('%s names %j', (target, scope) => {
    expect(scopeOf(target, false, hosts)).toEqual(scope);
  });

  const now = new Date('2026-11-25T12:00:00Z');
  it.each([
    [{}, '2026-11-26T12:00:00.000Z'],
    [{ for: '90m' }, '2026-11-25T13:30:00.000Z'],
    [{ for: '3d' }, '2026-11-28T12:00:00.000Z'],
    [{ until: '2026-11-25T18:00Z' }, '2026-11-25T18:00:00.000Z'],
    [{ until: '2026-11-25 18:00+02:00' }, '2026-11-25T16:00:00.000Z'],
    [{ until: '2026-12-01' }, new Date(2026, 11, 1).toISOString()],
    [{ until: '2026-12-01T06:30' }, new Date(2026, 11, 1, 6, 30).toISOString()],
  ])('%j ends at %s', (options, end) => {
    expect(endOfSuspension(options, now).toISOString()).toBe(end);
  });

  it.each([
    [{ for: '2' }, 'for takes a number with m, h or d'],
    [{ for: '0h' }, 'for takes a number with m, h or d'],
    [{ for: '400d' }, 'ends within a year'],
    [{ for: '2h', until: '2026-12-01' }, 'not both'],
    [{ until: '2026-11-25T12:00Z' }, 'is over already'],
    [{ until: 'noon' }, 'until takes a time as'],
    [{ until: '2026-13-01' }, 'until takes a time as'],
  ])('%j is refused', (options, why) => {
    expect(() => endOfSuspension(options, now)).toThrow(why);
  });

  it('has a reason of one line', () => {
    expect(reasonOf(' new\n\u001b[31mdisks ')).toBe('new [31mdisks');
    expect(() => reasonOf(' \n')).toThrow('reason: say why');
    expect(() => reasonOf('x'.repeat(201))).toThrow('200 characters at most');
  });
});
