/** A forge tries again within minutes; what a person sends again later is to be heard. */
const KEEP_MS = 10 * 60_000;
const MAX_IDS = 1_000;
const MAX_ID_LENGTH = 128;

/** The ids of the deliveries that were heard lately, in bounded memory. */
export interface SeenDeliveries {
  has(id: string): boolean;
  add(id: string): void;
}

export function createSeenDeliveries(nowMs: () => number): SeenDeliveries {
  const heardAt = new Map<string, number>();
  return {
    has: (id) => nowMs() - (heardAt.get(id) ?? Number.NEGATIVE_INFINITY) < KEEP_MS,
    add(id) {
      if (id.length > MAX_ID_LENGTH) return;
      heardAt.delete(id);
      heardAt.set(id, nowMs());
      for (const oldest of heardAt.keys()) {
        if (heardAt.size <= MAX_IDS) break;
        heardAt.delete(oldest);
      }
    },
  };
}
