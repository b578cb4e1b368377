import { Session } from 'node:inspector/promises';

/** Processor time of a piece of work in which operator and simulator share the process. */
export interface SideTimes {
  readonly operatorMs: number;
  readonly simulatorMs: number;
  /** SSH, sockets, garbage collection: one side's or the other's. */
  readonly eitherMs: number;
}

type Side = keyof SideTimes;

/** Profiles the work, and puts each sample to the side whose source is nearest to the top of its stack. */
export async function timeBySide(work: () => Promise<void>): Promise<SideTimes> {
  const session = new Session();
  session.connect();
  await session.post('Profiler.enable');
  await session.post('Profiler.start');
  await work();
  const { profile } = await session.post('Profiler.stop');
  session.disconnect();

  const parents = new Map(
    profile.nodes.flatMap(({ id, children = [] }) => children.map((child) => [child, id])),
  );
  const nodes = new Map(profile.nodes.map((node) => [node.id, node]));
  const sideOf = (id: number | undefined): Side => {
    for (let at = id; at !== undefined; at = parents.get(at)) {
      const url = nodes.get(at)?.callFrame.url ?? '';
      if (url.includes('/src/simulator/')) return 'simulatorMs';
      if (url.includes('/src/') && !url.includes('/node_modules/')) return 'operatorMs';
    }
    return 'eitherMs';
  };
  const times = { operatorMs: 0, simulatorMs: 0, eitherMs: 0 };
  for (const [index, id] of (profile.samples ?? []).entries()) {
    if (nodes.get(id)?.callFrame.functionName === '(idle)') continue;
    times[sideOf(id)] += (profile.timeDeltas?.[index] ?? 0) / 1000;
  }
  return times;
}
