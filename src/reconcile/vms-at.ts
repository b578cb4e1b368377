import type { DesiredVm } from '../core/desired.ts';
import { OperatorError } from '../errors.ts';
import type { Snapshot } from '../ports.ts';
import type { Builder } from './builder.ts';

/** What git asked for at a commit; undefined: it is not valid, and was refused at its time. */
export async function vmsAt(
  build: Builder,
  read: () => Promise<Snapshot>,
): Promise<ReadonlyMap<string, DesiredVm> | undefined> {
  try {
    const built = build(await read());
    return built.ok ? built.desired.vms : undefined;
  } catch (error) {
    // Too large, or no text.
    if (error instanceof OperatorError && /^E_GIT_(LIMIT|CONTENT)$/.test(error.code)) return undefined;
    throw error;
  }
}
