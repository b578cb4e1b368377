import type { DesiredState } from '../../src/core/desired.ts';
import type { Report } from '../../src/core/report.ts';
import { createAskedGuests } from '../../src/reconcile/asked-guests.ts';
import { type Deps, type PassRequest, reconcile } from '../../src/reconcile/reconcile.ts';
import { createRestartLimiter } from '../../src/reconcile/restart-limiter.ts';
import { createRetryPacer } from '../../src/reconcile/retry-pacer.ts';
import { knownHost, NOW } from '../builders.ts';
import { fakeControl } from '../fakes/control.ts';
import { fakeHosts } from '../fakes/hosts.ts';
import { fakeJournal, fakeNotes } from '../fakes/records.ts';
import { fakeSource } from '../fakes/source.ts';

/** A world with three empty hosts, and passes over it. */
export function world(overrides: Partial<Pick<Deps, 'allowRewind'>> = {}) {
  const source = fakeSource();
  const hosts = fakeHosts(knownHost('a'), knownHost('b'), knownHost('c'));
  const journal = fakeJournal();
  const notes = fakeNotes();
  const confirmed = new Set<string>();
  const cleaned: string[] = [];
  const control = fakeControl(() => now);
  let now = NOW;
  const deps = {
    source,
    hosts,
    journal,
    notes,
    confirmations: {
      has: async (hash: string) => confirmed.has(hash),
      keepOnly: async (hashes: readonly string[]) => {
        for (const other of confirmed) if (!hashes.includes(other)) confirmed.delete(other);
      },
    },
    allowRewind: false,
    control,
    images: {
      keepNamed: async ({ vms }: DesiredState) => {
        cleaned.push([...vms.keys()].join());
      },
    },
    restarts: createRestartLimiter(),
    retries: createRetryPacer(),
    asked: createAskedGuests(),
    clock: { now: () => now },
    build: source.build,
    concurrency: { hosts: 4, vmsPerHost: 2 },
    onProgress: () => {},
    ...overrides,
  };
  const pass = (request: Partial<PassRequest> = {}): Promise<Report> =>
    reconcile(deps, { trigger: 'poll', signal: new AbortController().signal, ...request });
  const wait = (seconds: number) => {
    now = new Date(now.getTime() + seconds * 1000);
  };
  return { source, hosts, journal, notes, confirmed, control, cleaned, pass, wait };
}
