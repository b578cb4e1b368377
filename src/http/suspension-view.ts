import { scopeInWords } from '../core/pause.ts';
import type { Suspension } from '../core/suspension.ts';
import { redactText } from '../redact.ts';

/** What people have left alone for a while, as `status` lists it. */
export interface SuspensionView {
  /** `everything`, `t01`, `t01/web-1` */
  readonly scope: string;
  readonly who: string;
  readonly at: string;
  /** Absent: until it is resumed. */
  readonly until?: string;
  readonly reason: string;
}

export function viewSuspension({ scope, who, at, until, reason }: Suspension): SuspensionView {
  return {
    scope: scopeInWords(scope),
    who,
    at,
    ...(until !== undefined && { until }),
    reason: redactText(reason),
  };
}
