import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { assess } from '../../../src/core/assess.ts';
import type { Issue } from '../../../src/core/issue.ts';
import { code, htmlCode, urlPath } from '../../../src/core/review/markdown.ts';
import { planMarkdown } from '../../../src/core/review/plan-markdown.ts';
import { type MergedPlan, type PlanResult, planResult } from '../../../src/core/review/plan-result.ts';
import type { Held, Step } from '../../../src/core/step.ts';
import {
  COMMIT,
  desiredState,
  desiredVm,
  knownHost,
  NOW,
  observedState,
  observedVm,
  removeStep,
  revision,
  unknownHost,
} from '../../builders.ts';

const OPTIONS = { folder: '', maxBytes: 60_000 };
const LINKED = { ...OPTIONS, linkBase: 'https://git.example.com/vms/blob/feature' };

function planned(
  desired = desiredState([desiredVm()]),
  observed = observedState(knownHost('a')),
): PlanResult {
  const assessment = assess(desired, observed, { now: NOW, commit: COMMIT });
  return planResult({ ok: true, title: 'feature', desired, observed, assessment });
}

function merged(changes: Partial<MergedPlan> = {}): MergedPlan {
  return {
    base: { name: 'main', revision: revision('b'.repeat(40)) },
    head: { name: 'feature', revision: revision('a'.repeat(40)) },
    pending: new Set(),
    notes: [],
    ...changes,
  };
}

function withPlan(steps: readonly Step[], held: readonly Held[] = [], confirmation?: string): PlanResult {
  const result = planned();
  if (result.planned === undefined) throw new Error('no plan');
  const plan = { steps, held, ...(confirmation && { confirmation }) };
  return { ...result, planned: { ...result.planned, assessment: { ...result.planned.assessment, plan } } };
}

describe('a plan as Markdown', () => {
  it('has a table for each host, and the capacity before and after', () => {
    const text = planMarkdown({ ...planned(), merge: merged() }, OPTIONS);
    expect(text).toContain('### kvm-gitops: 1 to create, 1 to start');
    expect(text).toContain('once `feature` (`aaaaaaaaaaaa`) is merged into `main` (`bbbbbbbbbbbb`)');
    expect(text).toContain('**`a`**\n\n| Step | What | Impact | Why |');
    expect(text).toContain('| create | `web` | none | `in git, not on the host` |');
    expect(text).toContain('| `a` | `vcpus` | 0 | 2 | 32 |');
    expect(text).toContain('| `a` | `memory` | 0 GiB | 2 GiB | 32 GiB |');
  });

  it('says of a removal until when it is kept, and counts what is noticed', () => {
    const result = planned(desiredState([]), observedState(knownHost('a', [observedVm()])));
    const guarded = planMarkdown(result, OPTIONS);
    expect(guarded).toContain('### kvm-gitops: 1 held');
    expect(guarded).toMatch(/\*\*To confirm:\*\* a removal waits.*`kvm-gitops confirm [0-9a-f]{12}`/);
    expect(guarded).not.toContain('as a comment');
    expect(planMarkdown(result, { ...OPTIONS, canConfirmHere: true })).toMatch(
      /, or here, as a comment: `\/kvm-gitops confirm [0-9a-f]{12}`/,
    );
    const free = planMarkdown(withPlan([removeStep('web')]), OPTIONS);
    expect(free).toContain('| remove | `web` | removed, kept until 2026-03-01 |');
    expect(free).toContain('**Impact:** removal 1');
  });

  it('says what would be refused, each with a link to its line', () => {
    const desired = desiredState([desiredVm({ vcpus: 999 })]);
    const text = planMarkdown(planned(desired), LINKED);
    expect(text).toContain('### kvm-gitops: this would be refused, one problem');
    expect(text).toContain(
      '- [`manifests/web.yaml:4`](https://git.example.com/vms/blob/feature/manifests/web.yaml#L4): `host a has no room',
    );
    expect(text).toContain('| `a` | `vcpus` | 0 | **999** | 32 |');
  });

  it('fills in an address of another shape, and the folder of the manifests', () => {
    const options = { ...OPTIONS, folder: 'infra', linkBase: 'https://x/{file}?at=main#{line}' };
    const text = planMarkdown(planned(desiredState([desiredVm({ vcpus: 999 })])), options);
    expect(text).toContain('](https://x/infra/manifests/web.yaml?at=main#4)');
  });

  it('puts aside what the base alone asks for', () => {
    const result = planned();
    const pending = new Set(['create a/web in git, not on the host']);
    const text = planMarkdown({ ...result, merge: merged({ pending }) }, OPTIONS);
    expect(text).toContain('### kvm-gitops: 1 to start');
    expect(text).toMatch(
      /<summary>Not of this change, and waiting already: 1 to create.*\n\n\| Step.*\n.*\n\| create \| `web`/,
    );
  });

  it('names hosts that do not answer, and what a reviewer should see', () => {
    const result = planned(desiredState([desiredVm()]), observedState(unknownHost('a')));
    const text = planMarkdown(
      { ...result, merge: merged({ notes: ['policy: maxRemovals 5 -> 99'] }) },
      OPTIONS,
    );
    expect(text).toContain('- `a`: `SSH timed out`');
    expect(text).toContain('**To look at**\n\n- `policy: maxRemovals 5 -> 99`');
  });

  it('does not say where the others can read why a host does not answer', () => {
    const reason = 'ssh root@10.9.8.7:2222: connection refused';
    const observed = {
      ...observedState({ ...unknownHost('a'), reason }),
      names: { kind: 'unknown', reason } as const,
    };
    const result = planned(desiredState([desiredVm()]), observed);
    const text = planMarkdown({ ...result, merge: merged() }, { ...OPTIONS, isPublic: true });
    expect(text).toContain('- `a`: does not answer');
    expect(text).toContain('- dnsmasq: does not answer');
    expect(text).not.toContain('10.9.8.7');
  });

  it('says of an offline plan what changes in git, and that no host was asked', () => {
    const offline = { vms: 3, added: ['web'], removed: [], moved: ['db'], changed: [] };
    const text = planMarkdown({ title: 'x', issues: [], merge: merged({ offline }) }, OPTIONS);
    expect(text).toContain('### kvm-gitops: valid, 3 VMs');
    expect(text).toContain('- 1 added: `web`\n- 1 moved: `db`');
    expect(text).toContain('No host was asked');
  });

  it('folds many steps, and leaves rows out where it would be too long, and says so', () => {
    const steps = Array.from({ length: 2_000 }, (_, index) => removeStep(`vm-${index}`));
    const long = planMarkdown(withPlan(steps), { ...OPTIONS, maxBytes: 1_000_000 });
    expect(long).toContain('<summary><code>a</code>: 2000 to remove</summary>');
    expect(long).toContain('`vm-1999`');
    for (const maxBytes of [60_000, 5_000, 1_000, 200]) {
      const text = planMarkdown(withPlan(steps), { ...OPTIONS, maxBytes });
      expect(Buffer.byteLength(text)).toBeLessThanOrEqual(maxBytes);
      expect(text).toContain('2000 to remove');
      expect(text).toMatch(/left out|too long/);
      expect(text.match(/<details>/g)?.length ?? 0).toBe(text.match(/<\/details>/g)?.length ?? 0);
    }
  });
});

describe('text of others in a plan as Markdown', () => {
  /** Everything that a manifest, a branch or a host can name. */
  function hostile(text: string): PlanResult {
    const issue: Issue = { file: text, line: 1, message: text, hint: text };
    const held: Held = { host: text, subject: text, because: 'conflict', kind: 'update', reason: text };
    const steps = [removeStep(text, { host: text, reason: text }), removeStep('b', { reason: text })];
    const result = withPlan(steps, [held], 'c0ffee');
    const named = { name: text, revision: revision(text) };
    const planOf = result.planned;
    if (planOf === undefined) throw new Error('no plan');
    return {
      title: text,
      issues: [issue],
      planned: {
        ...planOf,
        observed: observedState({ ...unknownHost(text), reason: text }),
        assessment: {
          ...planOf.assessment,
          warnings: [text],
          pendingRestart: [{ host: text, vm: text, reason: text, restart: 'never' }],
        },
      },
      merge: merged({ base: named, head: named, notes: [text] }),
    };
  }

  /** What is left when all code is taken out: that is what a forge can make something of. */
  function skeleton(text: string): string {
    return planMarkdown(hostile(text), LINKED)
      .replaceAll(/`[^`\n]*`/g, 'CODE')
      .replaceAll(/<code>[^<\n]*<\/code>/g, 'HTML')
      .replaceAll(/\(https:\/\/git\.example\.com\/vms\/blob\/feature\/[A-Za-z0-9%._/-]*#L1\)/g, '(LINK)');
  }

  const ATTACKS = [
    '@everyone',
    '`@everyone`',
    '``',
    '[click](https://evil.example)',
    'x`](https://evil.example)`',
    '</details><script>alert(1)</script>',
    '| a | b |\n| --- | --- |\n# heading',
    'a\\|`b\\`|',
    '<!-- -->',
    '\n\n/close\n',
    'a\r\nb\u2028c\u2029d\u0085e',
    '\u202Egnp.exe\u200B\u0000',
    '![x](//evil.example/x.png)',
    '&#64;everyone &lt;b&gt;',
    '$`rm`$',
    '\\',
    '%28)](x)',
    '\uD800',
  ];

  it.each(ATTACKS)('stays text: %j', (text) => {
    expect(skeleton(text)).toBe(skeleton('harmless'));
  });

  const anything = fc
    .array(
      fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom(...ATTACKS, '`', '|', '\\', '\n', '<', '@')),
      { maxLength: 6 },
    )
    .map((pieces) => pieces.join(''));

  it('stays text, whatever it is', { timeout: 30_000 }, () => {
    const shape = skeleton('harmless');
    fc.assert(
      fc.property(anything, (text) => {
        expect(skeleton(text)).toBe(shape);
      }),
      { numRuns: 100 },
    );
  });

  it('ends no code, in Markdown or in HTML, and no address', { timeout: 30_000 }, () => {
    fc.assert(
      fc.property(anything, (text) => {
        expect(code(text)).toMatch(/^`[^`|\\\p{C}]+`$/u);
        expect(htmlCode(text)).toMatch(/^<code>(?:[^<>&"'`|\\\p{C}]|&#\d+;)+<\/code>$/u);
        expect(urlPath(text)).toMatch(/^[A-Za-z0-9%._/-]*$/);
      }),
      { numRuns: 2_000 },
    );
  });

  it('is cut where it is endless', () => {
    const text = planMarkdown(hostile('x'.repeat(100_000)), LINKED);
    expect(Buffer.byteLength(text)).toBeLessThan(60_000);
    expect(text).toContain('…');
  });
});
