import { isSameNews, isTrouble, type NoticeKind, type Standing, type Standings } from './standing.ts';

/** What one receiver wants to hear of; an absent list: everything. */
export interface Interest {
  readonly events: readonly NoticeKind[];
  /** Host names. What is about no host, such as a refused commit, is told all the same. */
  readonly hosts?: readonly string[] | undefined;
  /** VM names, `*` standing for any characters. What is about no VM is told all the same. */
  readonly vms?: readonly string[] | undefined;
}

/** What a receiver that was told `told` has yet to hear, by what it is about. */
export function newsFor(interest: Interest, told: Standings, now: Standings): Standings {
  const news = [...now].flatMap(([key, standing]): [string, Standing][] => {
    const notice = candidates(told.get(key), standing).find((one) => wants(interest, one));
    return notice === undefined ? [] : [[key, notice]];
  });
  return new Map(news);
}

/** The best first. Only who was told of a trouble is told of its end. */
function candidates(told: Standing | undefined, now: Standing): readonly Standing[] {
  if (told !== undefined && isSameNews(told, now)) return [];
  const isOver = told !== undefined && isTrouble(told);
  if (now.kind === 'recovered') return isOver ? [now] : [];
  if (now.kind === 'applied' && isOver) return [now, { ...now, kind: 'recovered', was: told.kind }];
  return [now];
}

function wants({ events, hosts, vms }: Interest, { kind, host, subject }: Standing): boolean {
  const isHere = host === undefined || hosts === undefined || hosts.includes(host);
  const isNamed = subject === undefined || vms === undefined || vms.some((glob) => matches(glob, subject));
  return events.includes(kind) && isHere && isNamed;
}

function matches(glob: string, name: string): boolean {
  const parts = glob.split('*').map((part) => part.replaceAll(/[.+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${parts.join('[^ ]*')}$`).test(name);
}

/** What a receiver has been told by now: what was sent, and not the trouble whose end it does not want to hear of. */
export function toldAfter(interest: Interest, told: Standings, now: Standings): Standings {
  const awaited = newsFor(interest, told, now);
  const isPast = (key: string, standing: Standing) =>
    isTrouble(standing) && now.get(key)?.kind === 'recovered' && !awaited.has(key);
  return new Map([...told].filter(([key, standing]) => !isPast(key, standing)));
}

/** Without what is over and that nobody still has to be told of. */
export function withoutOld(now: Standings, everyTold: readonly Standings[]): Standings {
  const isAwaited = (key: string) =>
    everyTold.some((told) => {
      const known = told.get(key);
      return known !== undefined && isTrouble(known);
    });
  return new Map([...now].filter(([key, { kind }]) => kind !== 'recovered' || isAwaited(key)));
}
