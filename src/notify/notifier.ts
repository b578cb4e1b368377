import { toldAfter, withoutOld } from '../core/notifying/news.ts';
import type { Standings } from '../core/notifying/standing.ts';
import { type Sighting, standingsAfter, vmsInQuestion } from '../core/notifying/standings.ts';
import { errorMessage } from '../errors.ts';
import type { OnProgress } from '../reconcile/progress.ts';
import type { NotificationMemory, NotificationStore } from '../state/notifications.ts';
import type { FindChangedBy } from './changed-by.ts';
import { type Receiver, Teller, type TellerOptions } from './teller.ts';

/** The one who tells people how things stand. No pass waits for it, or fails by it. */
export interface Notifier {
  /** To be given every event of a pass. */
  readonly onProgress: OnProgress;
  /** How it stands with each receiver. */
  receivers(): readonly ReceiverState[];
  /** Returns when everybody knows, or refuses, or the signal aborts. Never throws. */
  flush(signal: AbortSignal): Promise<void>;
  stop(): Promise<void>;
}

export interface ReceiverState {
  readonly name: string;
  /** Notices that it was not told yet. */
  readonly pending: number;
  /** Why the last try failed; absent: it did not. */
  readonly problem?: string;
}

export interface NotifierSettings extends TellerOptions {
  readonly receivers: readonly Receiver[];
  readonly store: NotificationStore;
  readonly changedBy: FindChangedBy;
  readonly now: () => Date;
}

/** Of passes that came while git was read: the newest say how things stand. */
const MAX_WAITING = 32;

/** Goes on from what was told before the last end of the program. */
export async function createNotifier(settings: NotifierSettings): Promise<Notifier> {
  const memory = await settings.store.load();
  return new Told(settings, memory ?? { cluster: '', standings: new Map(), told: new Map() });
}

class Told implements Notifier {
  readonly #settings: NotifierSettings;
  readonly #tellers: readonly Teller[];
  readonly #told = new Map<string, Standings>();
  readonly #sightings: Sighting[] = [];
  readonly #stopping = new AbortController();
  #standings: Standings;
  #cluster: string;
  #working: Promise<void> | undefined;
  #saving: Promise<void> = Promise.resolve();

  constructor(settings: NotifierSettings, { cluster, standings, told }: NotificationMemory) {
    this.#settings = settings;
    this.#standings = standings;
    this.#cluster = cluster;
    this.#tellers = settings.receivers.map((receiver) => {
      const { name } = receiver;
      this.#told.set(name, told.get(name) ?? new Map());
      const facts = {
        now: () => ({ cluster: this.#cluster, standings: this.#standings }),
        told: () => this.#told.get(name) ?? new Map(),
        sent: (notices: Standings) => this.#sent(name, notices),
      };
      return new Teller(receiver, facts, settings);
    });
    for (const teller of this.#tellers) teller.look();
  }

  readonly onProgress: OnProgress = (event) => {
    if (event.kind === 'planned') this.#cluster = event.cluster;
    if (event.kind === 'recorded') this.#see({ kind: 'report', report: event.report, isHead: event.isHead });
    if (event.kind === 'broken')
      this.#see({
        kind: 'broken',
        message: errorMessage(event.error),
        at: this.#settings.now().toISOString(),
      });
  };

  receivers(): readonly ReceiverState[] {
    return this.#tellers.map(({ name, pending, problem }) => ({
      name,
      pending,
      ...(problem !== undefined && { problem }),
    }));
  }

  async flush(signal: AbortSignal): Promise<void> {
    const aborted = new Promise<void>((resolve) => {
      signal.addEventListener('abort', () => resolve(), { once: true });
    });
    if (!signal.aborted) await Promise.race([this.#working, aborted]);
    await Promise.all(this.#tellers.map((teller) => teller.flush(signal)));
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await Promise.all(this.#tellers.map((teller) => teller.stop()));
    await this.#working;
    await this.#saving;
  }

  #see(sighting: Sighting): void {
    if (this.#stopping.signal.aborted) return;
    this.#sightings.push(sighting);
    if (this.#sightings.length > MAX_WAITING) this.#sightings.shift();
    this.#start();
  }

  #start(): void {
    this.#working ??= this.#work().finally(() => {
      this.#working = undefined;
      if (this.#sightings.length > 0) this.#start();
    });
  }

  /** In their order, one at a time. */
  async #work(): Promise<void> {
    for (;;) {
      const sighting = this.#sightings.shift();
      if (sighting === undefined) return;
      const changedBy = await this.#changedBy(sighting);
      this.#standings = standingsAfter(this.#standings, sighting, (vm) => changedBy.get(vm));
      this.#forget();
      await this.#save();
      for (const teller of this.#tellers) teller.look();
    }
  }

  /** Who changed a VM is good to know, and no reason to keep silent where it cannot be found out. */
  async #changedBy(sighting: Sighting): ReturnType<FindChangedBy> {
    const vms = vmsInQuestion(this.#standings, sighting);
    if (sighting.kind === 'broken' || vms.length === 0) return new Map();
    try {
      return await this.#settings.changedBy(sighting.report.revision.sha, vms, this.#stopping.signal);
    } catch (err) {
      if (!this.#stopping.signal.aborted)
        this.#settings.log.warn({ err }, 'who changed a VM cannot be found out for notifications');
      return new Map();
    }
  }

  async #sent(name: string, notices: Standings): Promise<void> {
    this.#told.set(name, new Map([...(this.#told.get(name) ?? []), ...notices]));
    this.#forget();
    await this.#save();
  }

  /** What is over, and of which nobody has to be told any more. */
  #forget(): void {
    for (const { name, interest } of this.#settings.receivers)
      this.#told.set(name, toldAfter(interest, this.#told.get(name) ?? new Map(), this.#standings));
    this.#standings = withoutOld(this.#standings, [...this.#told.values()]);
  }

  /** One at a time, each what is known by then. */
  #save(): Promise<void> {
    const saving = this.#saving.then(() =>
      this.#settings.store.save({
        cluster: this.#cluster,
        standings: this.#standings,
        told: this.#told,
      }),
    );
    this.#saving = saving.catch((err: unknown) =>
      this.#settings.log.warn({ err }, 'what people were notified of cannot be remembered'),
    );
    return this.#saving;
  }
}
