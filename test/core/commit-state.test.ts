import { describe, expect, it } from 'vitest';
import { commitState } from '../../src/core/commit-state.ts';
import type { Report, StepResult } from '../../src/core/report.ts';
import { report, stepResult } from '../builders.ts';

const step = (outcome: StepResult['outcome']) => stepResult({ outcome });
const held = { host: 'a', subject: 'web', kind: 'remove', because: 'guard', reason: 'too many' } as const;
const issue = { file: 'manifests/web.yaml', line: 4, message: 'no such host' };

interface Row {
  readonly name: string;
  readonly change: Partial<Report>;
  readonly state: string;
  readonly description: string;
}

describe('the state of a commit', () => {
  it.each<Row>([
    {
      name: 'is success where nothing had to be done',
      change: { status: 'applied', steps: [] },
      state: 'success',
      description: 'applied',
    },
    {
      name: 'says what was done',
      change: { status: 'applied', steps: [step('done'), step('done')] },
      state: 'success',
      description: 'applied: created 2',
    },
    {
      name: 'is failure as soon as one step failed',
      change: { status: 'partial', steps: [step('done'), step('failed')], held: [held] },
      state: 'failure',
      description: 'partial: created 1, failed 1; 1 held',
    },
    {
      name: 'is pending while it waits for a person or a host, and says for what',
      change: {
        status: 'partial',
        steps: [],
        held: [held],
        unknownHosts: [{ host: 'b', reason: 'no route' }],
        confirmation: '1234abcd',
      },
      state: 'pending',
      description: 'partial: 1 held; b unknown; kvm-gitops confirm 1234abcd',
    },
    {
      name: 'names the mistake with its line',
      change: { status: 'refused', steps: [], issues: [issue] },
      state: 'failure',
      description: 'refused: manifests/web.yaml:4: no such host',
    },
    {
      name: 'counts mistakes',
      change: { status: 'refused', steps: [], issues: [issue, issue] },
      state: 'failure',
      description: 'refused: 2 mistakes, the first: manifests/web.yaml:4: no such host',
    },
    {
      name: 'names the commit that took its place',
      change: { status: 'superseded', steps: [], supersededBy: '0123456789abcdef' },
      state: 'superseded',
      description: 'superseded by: 0123456789ab',
    },
    {
      name: 'names the error of a pass that broke',
      change: {
        status: 'failed',
        steps: [],
        error: { code: 'E_GIT_REMOTE', message: 'no\nsuch\u001b\nremote' },
      },
      state: 'failure',
      description: 'failed: no such remote',
    },
  ])('$name', ({ change, state, description }) => {
    expect(commitState(report(change))).toEqual({ state, description });
  });

  it('fits into what a forge takes', () => {
    const long = { ...issue, message: 'x'.repeat(500) };
    const { description } = commitState(report({ status: 'refused', steps: [], issues: [long] }));
    expect(description).toHaveLength(140);
    expect(description).toMatch(/x…$/);
  });
});
