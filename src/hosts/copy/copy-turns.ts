import type { StepContext } from '../steps/context.ts';

interface Waiting {
  readonly hosts: readonly string[];
  readonly maxPerHost: number;
  readonly begin: () => void;
}

/** Lets copies between hosts begin in the order in which they came, each when none of its hosts has too many. */
export function createCopyTurns(): StepContext['copyInTurn'] {
  const running = new Map<string, number>();
  let waiting: readonly Waiting[] = [];

  const change = (hosts: readonly string[], by: number) => {
    for (const host of hosts) running.set(host, (running.get(host) ?? 0) + by);
  };
  const beginThoseThatCan = () => {
    for (const one of waiting) {
      if (one.hosts.some((host) => (running.get(host) ?? 0) >= one.maxPerHost)) continue;
      waiting = waiting.filter((other) => other !== one);
      change(one.hosts, 1);
      one.begin();
    }
  };
  return async (hosts, maxPerHost, copy) => {
    await new Promise<void>((begin) => {
      waiting = [...waiting, { hosts, maxPerHost, begin }];
      beginThoseThatCan();
    });
    try {
      return await copy();
    } finally {
      change(hosts, -1);
      beginThoseThatCan();
    }
  };
}
