import type { DomainEvent } from '../libvirt/events.ts';

/** What happens to the domains of a host, for steps that wait for something to happen. */
export interface DomainEvents {
  watch(uuid: string): DomainWatch;
}

export interface DomainWatch {
  /** Resolves when something has happened to the domain since the last call, or after so long: an event can be lost. */
  changed(timeoutMs: number): Promise<void>;
  /** Has `changed` resolve as if something had happened. */
  readonly wake: () => void;
  close(): void;
}

export interface DomainEventHub extends DomainEvents {
  publish(event: Pick<DomainEvent, 'domain'>): void;
}

/** Brings each event to those that watch its domain. */
export function createDomainEvents(): DomainEventHub {
  const watches = new Map<string, Set<() => void>>();
  return {
    publish({ domain }) {
      for (const tell of watches.get(domain.uuid) ?? []) tell();
    },
    watch(uuid) {
      const own = watches.get(uuid) ?? new Set();
      watches.set(uuid, own);
      let news = false;
      let wake = () => {};
      const tell = () => {
        news = true;
        wake();
      };
      own.add(tell);
      return {
        async changed(timeoutMs) {
          if (!news) await untilWoken(timeoutMs, (wakeUp) => (wake = wakeUp));
          news = false;
        },
        wake: tell,
        close() {
          own.delete(tell);
          if (own.size === 0) watches.delete(uuid);
        },
      };
    },
  };
}

function untilWoken(timeoutMs: number, onWake: (wakeUp: () => void) => void): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, timeoutMs);
    onWake(() => {
      clearTimeout(timer);
      resolve();
    });
  });
}
