import { Session } from 'node:inspector/promises';

/** Processor time of a piece of work in which operator and simulator share the process. */
export interface SideTimes {
  readonly operatorMs: number;
  readonly simulatorMs: number;
  /** SSH, sockets, garbage collection: one side's or the other's. */
  readonly eitherMs: number;
}

const OURS = new URL('../../src/', import.meta.url).href;

/** Profiles the work, and puts each sample to the side that stands in its stack. */
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
  const urlsOf = (id: number): string[] => {
    const urls: string[] = [];
    for (let at: number | undefined = id; at !== undefined; at = parents.get(at))
      urls.push(nodes.get(at)?.callFrame.url ?? '');
    return urls;
  };
  const sideOf = (id: number): keyof SideTimes => {
    const urls = urlsOf(id);
    // The simulator uses the operator's codec, never the other way round.
    if (urls.some((url) => url.includes('/src/simulator/'))) return 'simulatorMs';
    return urls.some((url) => url.includes(OURS)) ? 'operatorMs' : 'eitherMs';
  };
  const times = { operatorMs: 0, simulatorMs: 0, eitherMs: 0 };
  for (const [index, id] of (profile.samples ?? []).entries()) {
    if (nodes.get(id)?.callFrame.functionName === '(idle)') continue;
    times[sideOf(id)] += (profile.timeDeltas?.[index] ?? 0) / 1000;
  }
  return times;
}
