import { formatIssue } from '../core/issue.ts';
import { type HostLoss, hostLosses } from '../core/n-plus-one.ts';
import type { Judged } from '../core/review/plan-result.ts';
import { assessNow } from './assess-now.ts';
import { capacityText } from './capacity-text.ts';
import { colors } from './colors.ts';
import { type GlobalOptions, print, printJson } from './options.ts';
import { abortOnSignals, withOperator } from './session.ts';
import { warnRefused } from './warn-refused.ts';

interface CapacityOptions extends GlobalOptions {
  /** Also: whether the VMs of each host would fit on the others. */
  readonly 'n+1'?: boolean;
}

/** What each host has, what runs there now, and what would with git applied. Exit code 1: git asks for too much. */
export function capacity(dir: string | undefined, options: CapacityOptions): Promise<number> {
  return withOperator(options, async ({ operator }) => {
    const judged = await assessNow(operator, { dir }, abortOnSignals());
    warnRefused(judged);
    if (!judged.ok) {
      for (const issue of judged.issues) print(formatIssue(issue));
      return 1;
    }
    const { assessment, observed } = judged;
    if (options.json) {
      const losses = options['n+1'] === true ? { hostLosses: lossesOf(judged) } : {};
      printJson({ v: 1, hosts: assessment.capacity, shortages: assessment.shortages, ...losses });
    } else {
      print(capacityText(assessment.capacity));
      for (const host of observed.hosts.values()) {
        if (host.kind === 'unknown') print(colors.yellow(`\n${host.name} is unknown: ${host.reason}`));
      }
      if (options['n+1'] === true) for (const line of lossLines(judged)) print(line);
      for (const { message } of assessment.shortages) print(colors.red(`\n${message}`));
    }
    return assessment.shortages.length === 0 ? 0 : 1;
  });
}

type Accepted = Extract<Judged, { ok: true }>;

function lossesOf({ desired, observed, assessment }: Accepted): HostLoss[] {
  return hostLosses(desired, observed, assessment.capacity);
}

function lossLines(judged: Accepted): string[] {
  return lossesOf(judged).map(({ host, homeless }) =>
    homeless.length === 0
      ? colors.green(`\nwere ${host} lost, its VMs would fit on the others`)
      : colors.yellow(`\nwere ${host} lost, no other host has room for ${homeless.join(', ')}`),
  );
}
