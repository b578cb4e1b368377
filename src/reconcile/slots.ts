/** How much is done at once. */
export interface Concurrency {
  /** Hosts that are worked on at once. */
  readonly hosts: number;
  /** VMs, or other subjects, that are worked on at once on one host. */
  readonly vmsPerHost: number;
}

/** Places for work on hosts. */
export interface Slots {
  /** Runs `work` as soon as there is a place for it on that host. `isNext`: ahead of all that waits there. */
  run<T>(host: string, order: { readonly isNext: boolean }, work: () => Promise<T>): Promise<T>;
}

interface Queue {
  running: number;
  readonly waiting: (() => void)[];
}

/** A host counts as worked on while anything runs on it. */
export function createSlots({ hosts, vmsPerHost }: Concurrency): Slots {
  const queues = new Map<string, Queue>();
  /** Hosts with work for which there is no place yet. */
  const idle: Queue[] = [];
  let busyHosts = 0;

  const queueOf = (host: string): Queue => {
    const known = queues.get(host);
    if (known !== undefined) return known;
    const queue = { running: 0, waiting: [] };
    queues.set(host, queue);
    return queue;
  };
  const begin = (queue: Queue) => {
    while (queue.running < vmsPerHost) {
      const next = queue.waiting.shift();
      if (next === undefined) return;
      if (queue.running === 0) busyHosts++;
      queue.running++;
      next();
    }
  };
  const enter = (queue: Queue, isNext: boolean): Promise<void> =>
    new Promise((resolve) => {
      if (isNext) queue.waiting.unshift(resolve);
      else queue.waiting.push(resolve);
      if (queue.running > 0 || busyHosts < hosts) begin(queue);
      else if (queue.waiting.length === 1) idle.push(queue);
    });
  const leave = (queue: Queue) => {
    queue.running--;
    if (queue.running === 0) busyHosts--;
    if (queue.running > 0 || idle.length === 0) return begin(queue);
    // Others have waited longer than what this host may still have.
    if (queue.waiting.length > 0) idle.push(queue);
    const next = idle.shift();
    if (next !== undefined) begin(next);
  };

  return {
    async run(host, { isNext }, work) {
      const queue = queueOf(host);
      await enter(queue, isNext);
      try {
        return await work();
      } finally {
        leave(queue);
      }
    },
  };
}
