import { type Config, loadConfig } from '../config.ts';
import { createLogger, type Logger } from '../log.ts';
import { createOperator, type Operator, type OperatorOptions } from '../operator.ts';
import type { GlobalOptions } from './options.ts';
import { onStopSignal } from './stop-signals.ts';
import { Stopped } from './stopped.ts';

/** What a command that works with the hosts has in hand. */
export interface Session {
  readonly config: Config;
  readonly log: Logger;
  readonly operator: Operator;
}

/**
 * Builds the operator for one command that only looks, runs it, and closes everything again. Only warnings are logged:
 * the command prints its own result.
 */
export async function withOperator<T>(
  options: GlobalOptions,
  use: (session: Session) => Promise<T>,
  extra: Partial<OperatorOptions> = { readOnly: true },
): Promise<T> {
  const config = loadConfig(options.config);
  const log = createLogger({ level: config.logLevel === 'info' ? 'warn' : config.logLevel });
  const operator = await createOperator(config, { log, ...extra });
  try {
    return await use({ config, log, operator });
  } finally {
    await operator.close();
  }
}

/** Aborts on Ctrl-C and SIGTERM; a second Ctrl-C ends the process at once. */
export function abortOnSignals(): AbortSignal {
  const abort = new AbortController();
  onStopSignal((name) => abort.abort(new Stopped(`stopped by ${name}`)));
  return abort.signal;
}
