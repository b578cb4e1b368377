import type { Report, Revision, StepResult } from '../core/report.ts';
import type { Plan, Step } from '../core/step.ts';

/** What happens in a pass, as it happens: for a terminal, the log, the status page. */
export type ProgressEvent =
  | { readonly kind: 'observing'; readonly revision: Revision }
  | {
      readonly kind: 'planned';
      readonly cluster: string;
      readonly revision: Revision;
      readonly plan: Plan;
      /** When what is left alone changes by itself; absent: never. */
      readonly changesAt?: Date;
    }
  | { readonly kind: 'step-begun'; readonly step: Step }
  | { readonly kind: 'step-progress'; readonly step: Step; readonly message: string }
  | {
      readonly kind: 'step-ended';
      readonly step: Step;
      readonly result: StepResult;
      readonly error?: unknown;
    }
  | {
      readonly kind: 'recorded';
      readonly report: Report;
      /** It says something that was not said before of that commit. */
      readonly news: boolean;
      /** It is of the branch's newest commit, and not of one that was overtaken or is in force meanwhile. */
      readonly isHead: boolean;
    }
  /** The pass ended before there was a commit to report of: the remote cannot be read. */
  | { readonly kind: 'broken'; readonly error: unknown };

export type OnProgress = (event: ProgressEvent) => void;
