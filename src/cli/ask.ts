import { once } from 'node:events';
import { createInterface } from 'node:readline/promises';
import { OperatorError } from '../errors.ts';

/** Whether the person at the terminal types the VM's name. Throws E_USAGE where nobody is there to be asked. */
export async function asksAndHears(vm: string, what: string): Promise<boolean> {
  if (!process.stdin.isTTY) {
    throw new OperatorError(
      'E_USAGE',
      `nobody is here to be asked: add --yes to ${what.replace(/\bit\b/, 'the VM')}`,
    );
  }
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  const question = terminal.question(`Type ${vm} to ${what}: `);
  // Ctrl-C and Ctrl-D close the terminal, and leave the question open for ever.
  const answer = await Promise.race([question, once(terminal, 'close').then(() => '')]);
  terminal.close();
  return answer.trim() === vm;
}
