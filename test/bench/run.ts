import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpus, loadavg } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { errorMessage } from '../../src/errors.ts';
import { labAvailable } from '../lab/available.ts';
import { setup } from '../program.ts';
import { type Figure, HEAP_LIMIT_MIB, tableOf } from './figures.ts';

interface Benchmark {
  readonly needsLab: boolean;
  /** Of its process. */
  readonly nodeFlags?: readonly string[];
  load(): Promise<() => Promise<readonly Figure[]>>;
}

const BENCHMARKS: Readonly<Record<string, Benchmark>> = {
  idle: { needsLab: true, load: async () => (await import('./idle-pass.ts')).benchIdlePass },
  build: { needsLab: true, load: async () => (await import('./build.ts')).benchBuild },
  copy: { needsLab: true, load: async () => (await import('./copy.ts')).benchCopy },
  reaction: { needsLab: false, load: async () => (await import('./reaction.ts')).benchReaction },
  fleet: {
    needsLab: false,
    nodeFlags: [`--max-old-space-size=${HEAP_LIMIT_MIB}`],
    load: async () => (await import('./fleet.ts')).benchFleet,
  },
  notes: { needsLab: false, load: async () => (await import('./notes.ts')).benchNotes },
  planner: { needsLab: false, load: async () => (await import('./planner.ts')).benchPlanner },
};

/** Each benchmark runs in a process of its own, so that one's heap is not another's time or memory. */
async function main(argv: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...argv],
    options: { here: { type: 'boolean', default: false } },
    allowPositionals: true,
  });
  const names = positionals.length > 0 ? positionals : Object.keys(BENCHMARKS);
  for (const name of names) benchmarkNamed(name);
  if (values.here) return runHere(names[0] ?? '');
  await setup();
  const [cpu] = cpus();
  print(`${cpus().length} cores, ${cpu?.model ?? 'of an unknown kind'}; Node ${process.version}\n\n`);
  let code = 0;
  for (const name of names) code = (await runApart(name)) ? code : 1;
  return code;
}

function benchmarkNamed(name: string): Benchmark {
  const found = BENCHMARKS[name];
  if (found === undefined)
    throw new Error(`no benchmark ${name}; there are ${Object.keys(BENCHMARKS).join(', ')}`);
  return found;
}

async function runHere(name: string): Promise<number> {
  const bench = await benchmarkNamed(name).load();
  print(tableOf(name, await bench()));
  return 0;
}

/** False where it failed. A goal that is missed is no failure: machines differ. */
async function runApart(name: string): Promise<boolean> {
  const { needsLab, nodeFlags = [] } = benchmarkNamed(name);
  const lab = labAvailable();
  if (needsLab && !lab.ok) {
    print(`${name.padEnd(9)}  left out: ${lab.reason}\n`);
    return true;
  }
  const load = loadavg()[0]?.toFixed(1);
  const child = spawn(
    process.execPath,
    [...nodeFlags, '--import', 'tsx', fileURLToPath(import.meta.url), '--here', name],
    {
      stdio: 'inherit',
    },
  );
  const [code] = await once(child, 'exit');
  print(`${name.padEnd(9)}  load before it: ${load}\n\n`);
  return code === 0;
}

function print(text: string): void {
  process.stdout.write(text);
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.stack : errorMessage(error)}\n`);
  process.exitCode = 1;
}
