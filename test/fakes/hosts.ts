import type { ObservedHost, ObservedState } from '../../src/core/observed.ts';
import { type Step, subjectOf } from '../../src/core/step.ts';
import type { Hosts } from '../../src/ports.ts';
import { applyToModel } from './apply-model.ts';

/** Hosts in memory: what is applied shows when they are looked at next. */
export interface FakeHosts extends Hosts {
  /** `create web on a`, in the order in which they were begun. */
  readonly applied: readonly string[];
  /** Puts one host in the place of what it was. */
  set(host: ObservedHost): void;
  /** Runs at the start of each step; a step for which it throws fails. */
  beforeStep: (step: Step) => void | Promise<void>;
  /** Thrown by the next looks, until it is taken away. */
  observeError?: Error | undefined;
}

export function fakeHosts(...hosts: readonly ObservedHost[]): FakeHosts {
  let state: ObservedState = { hosts: new Map(hosts.map((host) => [host.name, host])) };
  const applied: string[] = [];
  const fake: FakeHosts = {
    applied,
    set: (host) => {
      state = { hosts: new Map(state.hosts).set(host.name, host) };
    },
    beforeStep: () => {},
    observe: async ({ offline }, signal) => {
      if (fake.observeError !== undefined) throw fake.observeError;
      signal.throwIfAborted();
      const seen = [...state.hosts.values()].map((host): ObservedHost => {
        return offline.has(host.name)
          ? { kind: 'unknown', name: host.name, reason: 'offline in git', isOffline: true }
          : host;
      });
      return { hosts: new Map(seen.map((host) => [host.name, host])) };
    },
    apply: async (step) => {
      applied.push(`${step.kind} ${subjectOf(step)} on ${step.host}`);
      await fake.beforeStep(step);
      state = applyToModel(state, [step]);
    },
  };
  return fake;
}
