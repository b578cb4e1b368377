import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Interest, newsFor, toldAfter, withoutOld } from '../../../src/core/notifying/news.ts';
import { isTrouble, NOTICE_KINDS, type Standings } from '../../../src/core/notifying/standing.ts';
import { type Sighting, standingsAfter, vmsInQuestion } from '../../../src/core/notifying/standings.ts';
import type { Report, Revision } from '../../../src/core/report.ts';
import type { Held } from '../../../src/core/step.ts';
import { report, revision, stepResult } from '../../builders.ts';

const [A, B] = [revision('aaaa'), revision('bbbb')];
const EVERYTHING: Interest = { events: NOTICE_KINDS };

const failed = (subject = 'web', host = 'a') =>
  stepResult({ subject, host, outcome: 'failed', error: { code: 'E_LIBVIRT', message: 'no space' } });
const held = (because: Held['because'], subject = 'web', host = 'a'): Held => ({
  host,
  subject,
  because,
  kind: 'update',
  reason: 'because',
});
const partial = (changes: Partial<Report>): Partial<Report> => ({ status: 'partial', ...changes });
const FAILS = partial({ steps: [failed()] });
const UNKNOWN = partial({ unknownHosts: [{ host: 'a', reason: 'timed out' }] });
const refused: Partial<Report> = {
  status: 'refused',
  issues: [{ file: 'manifests/web.yaml', line: 4, message: 'no such host' }],
};

type Pass = Partial<Report> | 'broken';

/** What a receiver hears after each pass, as `kind name`; who changed a VM is the commit of `changed`, else A. */
class Listener {
  standings: Standings = new Map();
  told: Standings = new Map();
  changedBy: Revision | undefined = A;
  readonly interest: Interest;

  constructor(interest: Interest = EVERYTHING) {
    this.interest = interest;
  }

  see(pass: Pass, isHead = true): void {
    const sighting: Sighting =
      pass === 'broken'
        ? { kind: 'broken', message: 'git is away', at: '2026-03-01T12:00:00.000Z' }
        : { kind: 'report', report: report(pass), isHead };
    this.standings = standingsAfter(this.standings, sighting, () => this.changedBy);
    this.told = toldAfter(this.interest, this.told, this.standings);
    this.standings = withoutOld(this.standings, [this.told]);
  }

  hear(): string[] {
    const news = newsFor(this.interest, this.told, this.standings);
    this.told = toldAfter(this.interest, new Map([...this.told, ...news]), this.standings);
    this.standings = withoutOld(this.standings, [this.told]);
    return [...news.values()].map(({ kind, host, subject, commit }) =>
      [kind, subject ?? host ?? commit?.sha ?? 'operator'].join(' '),
    );
  }

  after(pass: Pass, isHead = true): string[] {
    this.see(pass, isHead);
    return this.hear();
  }
}

interface Row {
  readonly name: string;
  readonly passes: readonly Pass[];
  /** After each of them. */
  readonly heard: readonly (readonly string[])[];
  readonly interest?: Interest;
}

describe('what a receiver hears', () => {
  it.each<Row>([
    {
      name: 'of a commit that is applied, once',
      passes: [{}, {}, { revision: B }, { revision: B, steps: [stepResult()] }],
      heard: [['applied aaaa'], [], ['applied bbbb'], []],
    },
    {
      name: 'of a VM that fails and is well again, and not of each try between',
      passes: [FAILS, FAILS, partial({ held: [held('retry')] }), {}],
      heard: [['failed web'], [], [], ['recovered web', 'applied aaaa']],
    },
    {
      name: 'not again that a commit is applied after a VM of it failed for a while',
      passes: [{}, FAILS, {}],
      heard: [['applied aaaa'], ['failed web'], ['recovered web']],
    },
    {
      name: 'of a commit that is refused, and of the one that mends it',
      passes: [refused, refused, { revision: B }],
      heard: [['refused aaaa'], [], ['applied bbbb']],
    },
    {
      name: 'that what was refused is over where the commit after it is only partly done',
      passes: [refused, { ...FAILS, revision: B }],
      heard: [['refused aaaa'], ['recovered bbbb', 'failed web']],
    },
    {
      name: 'of a host that does not answer, and nothing of VMs that nobody could look at',
      passes: [FAILS, UNKNOWN, FAILS],
      heard: [['failed web'], ['host-unknown a'], ['recovered a']],
    },
    {
      name: 'nothing of a host that cluster.yaml says is offline',
      passes: [{ unknownHosts: [{ host: 'a', reason: 'offline', isOffline: true }] }],
      heard: [['applied aaaa']],
    },
    {
      name: 'of dnsmasq that does not answer',
      passes: [partial({ unknownNames: 'no pid file' }), partial({})],
      heard: [['host-unknown dnsmasq'], ['recovered dnsmasq']],
    },
    {
      name: 'of each reason for which a change waits, once',
      passes: [partial({ held: [held('guard')] }), partial({ held: [held('capacity')] }), {}],
      heard: [['held web'], ['held web'], ['recovered web', 'applied aaaa']],
    },
    {
      name: 'nothing of what follows from something that is told itself',
      passes: [partial({ held: [held('dependency'), held('unknown', 'db')] })],
      heard: [[]],
    },
    {
      name: 'not that a VM is well while nothing could be tried',
      passes: [
        FAILS,
        partial({ held: [held('dependency')] }),
        partial({ steps: [{ ...failed(), outcome: 'skipped' }] }),
      ],
      heard: [['failed web'], [], []],
    },
    {
      name: 'of drift that is only reported',
      passes: [{ held: [held('drift')] }, {}],
      heard: [['drift web', 'applied aaaa'], ['recovered web']],
    },
    {
      name: 'of passes that break, once, and that they work again',
      passes: [{}, 'broken', { status: 'failed', error: { code: 'E', message: 'x' } }, {}],
      heard: [['applied aaaa'], ['failed operator'], [], ['recovered operator']],
    },
    {
      name: 'nothing of a pass that a newer commit cut short',
      passes: [FAILS, { status: 'superseded', steps: [] }, FAILS],
      heard: [['failed web'], [], []],
    },
    {
      name: 'of a move as of one VM, wherever it fails',
      passes: [partial({ steps: [failed('web', 'a')] }), partial({ steps: [failed('web', 'b')] })],
      heard: [['failed web'], []],
    },
    {
      name: 'nothing that it did not ask for, and the end of nothing that it was not told',
      interest: { events: ['failed', 'recovered'] },
      passes: [partial({ held: [held('guard')] }), {}, FAILS, {}],
      heard: [[], [], ['failed web'], ['recovered web']],
    },
    {
      name: 'each failure anew where it does not want to hear of their ends',
      interest: { events: ['failed'] },
      passes: [FAILS, {}, FAILS],
      heard: [['failed web'], [], ['failed web']],
    },
    {
      name: 'that a refusal is over where it does not want to hear of what is applied',
      interest: { events: ['refused', 'recovered'] },
      passes: [refused, { revision: B }, { revision: B }],
      heard: [['refused aaaa'], ['recovered bbbb'], []],
    },
    {
      name: 'of its own hosts and VMs, and of commits all the same',
      interest: { events: NOTICE_KINDS, hosts: ['a'], vms: ['web*'] },
      passes: [
        partial({
          steps: [failed('web-1'), failed('db'), failed('web-2', 'b')],
          unknownHosts: [{ host: 'c', reason: '' }],
        }),
        refused,
      ],
      heard: [['failed web-1'], ['refused aaaa']],
    },
  ])('is $name', ({ passes, heard, interest }) => {
    const listener = new Listener(interest);
    expect(passes.map((pass) => listener.after(pass).toSorted())).toEqual(heard.map((one) => one.toSorted()));
  });

  it('leaves a refusal standing while the commit in force before it is held to', () => {
    const listener = new Listener();
    listener.after({});
    expect(listener.after({ ...refused, revision: B })).toEqual(['refused bbbb']);
    expect(listener.after({}, false)).toEqual([]);
    expect(listener.after('broken')).toEqual(['failed operator']);
    expect(listener.after({}, false)).toEqual([]);
    expect(listener.after({})).toEqual(expect.arrayContaining(['applied aaaa', 'recovered operator']));
  });

  it('is of a failure again once another commit has changed the VM, and not of a commit about others', () => {
    const listener = new Listener();
    expect(listener.after(FAILS)).toEqual(['failed web']);
    expect(listener.after({ ...FAILS, revision: B })).toEqual([]);
    listener.changedBy = B;
    expect(listener.after({ ...FAILS, revision: B })).toEqual(['failed web']);
    listener.changedBy = undefined;
    expect(listener.after({ ...FAILS, revision: B })).toEqual([]);
  });

  it('is only how things stand, when it was away in between', () => {
    const listener = new Listener();
    for (const pass of [FAILS, {}, { revision: B }, UNKNOWN]) listener.see(pass);
    expect(listener.hear()).toEqual(expect.arrayContaining(['host-unknown a']));
    expect(listener.after({ revision: B })).toEqual(expect.arrayContaining(['recovered a']));
  });

  it('asks who changed what is wrong, or was, and nothing of VMs that are well', () => {
    const listener = new Listener();
    listener.after(FAILS);
    const sighting: Sighting = {
      kind: 'report',
      isHead: true,
      report: report({ steps: [stepResult({ subject: 'db' })] }),
    };
    expect(vmsInQuestion(listener.standings, sighting)).toEqual(['web']);
  });
});

const anyPass: fc.Arbitrary<Pass> = fc.oneof(
  fc.constant<Pass>('broken'),
  fc
    .record({
      status: fc.constantFrom<Report['status']>('applied', 'partial', 'refused', 'superseded', 'failed'),
      revision: fc.constantFrom(A, B),
      steps: fc.array(
        fc.record({
          subject: fc.constantFrom('web', 'db'),
          outcome: fc.constantFrom('done', 'failed', 'skipped'),
        }),
        { maxLength: 2 },
      ),
      held: fc.array(fc.constantFrom<Held['because']>('guard', 'retry', 'unknown', 'drift'), {
        maxLength: 2,
      }),
      unknown: fc.boolean(),
    })
    .map(
      ({ steps, held: reasons, unknown, ...rest }): Pass => ({
        ...rest,
        steps: steps.map((step) =>
          stepResult({ ...step, ...(step.outcome === 'failed' && { error: { code: 'E', message: 'm' } }) }),
        ),
        held: reasons.map((because) => held(because, 'app')),
        unknownHosts: unknown ? [{ host: 'a', reason: 'r' }] : [],
      }),
    ),
);

describe('whatever passes come', () => {
  const history = fc.array(fc.tuple(anyPass, fc.boolean(), fc.boolean()), { maxLength: 30 });

  it('nothing is heard twice, and whoever has heard everything has no more to hear', () => {
    fc.assert(
      fc.property(history, fc.subarray([...NOTICE_KINDS], { minLength: 1 }), (passes, events) => {
        const listener = new Listener({ events });
        const twice: string[] = [];
        for (const [pass, isHead, hears] of passes) {
          listener.see(pass, isHead);
          const heard = hears ? listener.hear() : [];
          twice.push(...(heard.length > 0 ? listener.hear() : []));
        }
        expect(twice).toEqual([]);
      }),
      { numRuns: 500 },
    );
  });

  it('a receiver that was away knows in the end as much as one that was there', () => {
    fc.assert(
      fc.property(history, (passes) => {
        const [there, away] = [new Listener(), new Listener()];
        for (const [pass, isHead, hears] of passes) {
          there.after(pass, isHead);
          away.see(pass, isHead);
          if (hears) away.hear();
        }
        away.hear();
        const troubles = ({ told }: Listener) =>
          [...told]
            .filter(([, one]) => isTrouble(one))
            .map(([key, { kind }]) => `${key} ${kind}`)
            .toSorted();
        expect(troubles(away)).toEqual(troubles(there));
      }),
      { numRuns: 500 },
    );
  });

  it('what is over is forgotten once everybody knows', () => {
    fc.assert(
      fc.property(history, (passes) => {
        const listener = new Listener();
        for (const [pass, isHead] of passes) listener.after(pass, isHead);
        expect([...listener.standings.values()].map(({ kind }) => kind)).not.toContain('recovered');
      }),
      { numRuns: 500 },
    );
  });
});
