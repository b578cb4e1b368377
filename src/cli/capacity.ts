import { formatIssue } from '../core/issue.ts';
import { assessNow } from './assess-now.ts';
import { capacityText } from './capacity-text.ts';
import { colors } from './colors.ts';
import { type GlobalOptions, print, printJson } from './options.ts';
import { abortOnSignals, withOperator } from './session.ts';

/** What each host has, what runs there now, and what would with git applied. Exit code 1: git asks for too much. */
export function capacity(dir: string | undefined, options: GlobalOptions): Promise<number> {
  return withOperator(options, async ({ operator }) => {
    const judged = await assessNow(operator, { dir }, abortOnSignals());
    if (!judged.ok) {
      for (const issue of judged.issues) print(formatIssue(issue));
      return 1;
    }
    const { assessment, observed } = judged;
    if (options.json) {
      printJson({ v: 1, hosts: assessment.capacity, shortages: assessment.shortages });
    } else {
      print(capacityText(assessment.capacity));
      for (const host of observed.hosts.values()) {
        if (host.kind === 'unknown') print(colors.yellow(`\n${host.name} is unknown: ${host.reason}`));
      }
      for (const { message } of assessment.shortages) print(colors.red(`\n${message}`));
    }
    return assessment.shortages.length === 0 ? 0 : 1;
  });
}
