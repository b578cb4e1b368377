import { OperatorError } from '../errors.ts';
import { Stopped } from './stopped.ts';

/** Says on stderr why a command ended, and gives its exit code. A bug shows its stack; an expected error does not. */
export function reportFatal(error: unknown): number {
  if (error instanceof OperatorError) process.stderr.write(`kvm-gitops: ${error.code}: ${error.message}\n`);
  else if (error instanceof Stopped) process.stderr.write(`kvm-gitops: ${error.message}\n`);
  else
    process.stderr.write(
      `kvm-gitops: this is a bug: ${error instanceof Error ? error.stack : String(error)}\n`,
    );
  return 1;
}
