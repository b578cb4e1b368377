import { formatIssue } from '../core/issue.ts';
import type { Judged } from '../core/review/plan-result.ts';
import { colorsFor } from './colors.ts';

/** Says on stderr where a pass would not look into the commit that is shown: what it says is nobody's wish yet. */
export function warnRefused(judged: Judged): void {
  if (!judged.ok) return;
  const { yellow } = colorsFor(process.stderr);
  for (const issue of judged.refused ?? [])
    process.stderr.write(`${yellow(`warning: this commit would be refused: ${formatIssue(issue)}`)}\n`);
}
