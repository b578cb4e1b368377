import type { Report } from '../../src/core/report.ts';
import type { Journal, Notes } from '../../src/ports.ts';

export interface FakeJournal extends Journal {
  readonly reports: readonly Report[];
}

export function fakeJournal(): FakeJournal {
  const reports: Report[] = [];
  const of = (sha: string) => reports.filter(({ revision }) => revision.sha === sha);
  return {
    reports,
    append: async (report) => {
      reports.push(report);
    },
    of: async (sha) => of(sha),
    latestOf: async (sha) => of(sha).at(-1),
    last: async () => reports.at(-1),
    lastApplied: async () => reports.findLast(({ status }) => status === 'applied' || status === 'partial'),
  };
}

export interface FakeNotes extends Notes {
  /** How often a note was put, and what each says now. */
  readonly puts: number;
  readonly texts: ReadonlyMap<string, string>;
}

export function fakeNotes(): FakeNotes {
  const texts = new Map<string, string>();
  let puts = 0;
  return {
    get puts() {
      return puts;
    },
    texts,
    put: (sha, text) => {
      puts++;
      texts.set(sha, text);
    },
  };
}
