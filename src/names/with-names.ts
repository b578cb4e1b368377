import { isNamesStep } from '../core/step.ts';
import type { Hosts, Names } from '../ports.ts';

/** The hosts, and with them the names: looked at together, and each step goes to whom it is for. */
export function withNames(hosts: Hosts, names: Names): Hosts {
  return {
    async observe(question, signal) {
      const [observed, seen] = await Promise.all([hosts.observe(question, signal), names.observe(signal)]);
      return { ...observed, names: seen };
    },
    async apply(step, tell, superseded) {
      if (isNamesStep(step)) await names.apply(step);
      else await hosts.apply(step, tell, superseded);
    },
  };
}
