import { describe, expect, it } from 'vitest';
import { labAvailable } from './available.ts';

describe('labAvailable', () => {
  it('says no, and why, when the lab is switched off', () => {
    expect(labAvailable('off')).toEqual({ ok: false, reason: 'KVM_GITOPS_LAB=off' });
  });

  it.skipIf(labAvailable('').ok)('throws where a lab is required and there can be none', () => {
    expect(() => labAvailable('require')).toThrow('KVM_GITOPS_LAB=require');
  });

  it.runIf(labAvailable('').ok)('says yes where a lab is required and possible', () => {
    expect(labAvailable('require')).toEqual({ ok: true });
  });
});
