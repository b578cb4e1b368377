/** Something that a signal can cancel. */
export interface Cancellable {
  cancel(reason: unknown): void;
}

/**
 * One listener per signal instead of one per call: thousands of calls share a pass's signal, and adding a listener to an
 * AbortSignal walks all that it has.
 */
export class AbortGroups {
  readonly #groups = new Map<AbortSignal, { members: Set<Cancellable>; listener: () => void }>();

  add(signal: AbortSignal, member: Cancellable): void {
    const group = this.#groups.get(signal) ?? this.#create(signal);
    group.members.add(member);
  }

  delete(signal: AbortSignal, member: Cancellable): void {
    const group = this.#groups.get(signal);
    if (group === undefined) return;
    group.members.delete(member);
    if (group.members.size > 0) return;
    signal.removeEventListener('abort', group.listener);
    this.#groups.delete(signal);
  }

  #create(signal: AbortSignal): { members: Set<Cancellable>; listener: () => void } {
    const members = new Set<Cancellable>();
    const listener = () => {
      for (const member of members) member.cancel(signal.reason);
    };
    signal.addEventListener('abort', listener);
    const group = { members, listener };
    this.#groups.set(signal, group);
    return group;
  }
}
