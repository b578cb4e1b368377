import { parseArgs } from 'node:util';
import * as fc from 'fast-check';
import { errorMessage } from '../../src/errors.ts';
import { PROPERTIES } from './properties.ts';

/** The largest that the options of fast-check take. */
const SEEDS = 2 ** 31;

/** Tries every property in turn with new random values until the time is up; exit code 1 with what broke one. */
async function main(argv: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...argv],
    options: { seconds: { type: 'string', default: '60' }, seed: { type: 'string' } },
  });
  const seconds = Number(values.seconds);
  if (!(seconds > 0)) throw new Error('--seconds takes a number over 0');
  const first = values.seed === undefined ? Math.floor(Math.random() * SEEDS) : Number(values.seed);
  if (!Number.isSafeInteger(first)) throw new Error('--seed takes a whole number');
  const share = (seconds * 1000) / Object.keys(PROPERTIES).length;
  let code = 0;
  for (const [name, make] of Object.entries(PROPERTIES)) {
    const limits = { seed: first, numRuns: 100_000_000, interruptAfterTimeLimit: share };
    const found = await fc.check(make(), { ...limits, markInterruptAsFailure: false });
    if (found.failed) code = 1;
    print(`${found.failed ? 'BROKEN' : 'held'}  ${String(found.numRuns).padStart(8)} times  ${name}`);
    if (found.failed) print(await fc.asyncDefaultReportMessage(found));
  }
  print(`seed ${first}`);
  return code;
}

function print(text: string | undefined): void {
  process.stdout.write(`${text ?? ''}\n`);
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`${errorMessage(error)}\n`);
  process.exitCode = 1;
}
