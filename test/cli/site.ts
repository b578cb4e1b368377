import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, vi } from 'vitest';
import { type Simulator, startSimulator } from '../../src/simulator/simulator.ts';
import { waitFor } from '../lab/wait.ts';
import { PROGRAM, ROOT } from '../program.ts';

// Every test here starts whole programs, on whatever machine it is.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

const ESCAPE = '\u001b';

export interface Finished {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** The program, running. */
export interface Running {
  readonly child: ChildProcess;
  readonly finished: Promise<Finished>;
  stdout(): string;
  stderr(): string;
  /** Waits until stdout or stderr holds the text. */
  says(text: string | RegExp): Promise<void>;
}

/** Two simulated hosts, a bare repository with a clone, and operator.yaml. */
export interface Site {
  readonly dir: string;
  readonly clone: string;
  readonly remote: string;
  readonly config: string;
  readonly state: string;
  readonly port: number;
  readonly simulator: Simulator;
  /** Writes files into the clone; undefined deletes one. */
  write(files: Readonly<Record<string, string | undefined>>): void;
  /** Writes, commits and pushes; the commit's id. */
  commit(subject: string, files?: Readonly<Record<string, string | undefined>>): string;
  git(...args: string[]): string;
  /** The operator.yaml of the site, with lines changed. */
  configWith(change: (text: string) => string, name?: string): string;
  start(args: readonly string[], env?: Readonly<Record<string, string>>): Running;
  run(args: readonly string[], env?: Readonly<Record<string, string>>): Promise<Finished>;
}

export const CLUSTER_YAML = `cluster: lab
hosts: { t01: , t02: }
images:
  base: { pool: default, volume: base.qcow2 }
defaults: { image: base, bridge: br0 }
`;

export function manifest(host: string, ...names: readonly string[]): string {
  const vms = names.map(
    (name) =>
      `    - { name: ${name}, hostname: ${name}.lab.internal, ipaddress: 10.0.${host.slice(-1)}.${10 + Number(name.slice(-1))}, vcpus: 1, memoryGb: 0.5 }\n`,
  );
  return `- host: ${host}\n  vmspecs:\n${vms.join('')}`;
}

/** One site for the tests of a file. */
export function useSite(): Site {
  let site: Site | undefined;
  let close = async () => {};
  beforeAll(async () => {
    const opened = await openSite();
    site = opened.site;
    close = opened.close;
  });
  afterAll(() => close());
  return new Proxy(Object.create(null), {
    get: (_, key) => {
      if (site === undefined) throw new Error('only inside a test');
      return Reflect.get(site, key);
    },
  });
}

async function openSite(): Promise<{ site: Site; close: () => Promise<void> }> {
  const dir = mkdtempSync(join(tmpdir(), 'kvm-gitops-cli-'));
  const images = [{ volume: 'base.qcow2', sizeGiB: 1 }];
  const simulator = await startSimulator({
    hosts: ['t01', 't02'].map((name) => ({ name, cpus: 8, memoryMiB: 16 * 1024, images, shutdownMs: 5 })),
  });
  const [clone, remote] = [join(dir, 'clone'), join(dir, 'remote.git')];
  const config = join(dir, 'operator.yaml');
  const port = await freePort();
  const git = (...args: string[]) => runGit(clone, args);
  const running = new Set<ChildProcess>();
  mkdirSync(clone);
  runGit(dir, ['init', '--quiet', '--bare', '--initial-branch=main', remote]);
  git('init', '--quiet', '--initial-branch=main');
  git('remote', 'add', 'origin', remote);
  writeFileSync(config, operatorYaml(simulator, remote, port));

  const start: Site['start'] = (args, env = {}) => {
    const one = startCli(args, { ...env, KVM_GITOPS_CONFIG: config }, dir);
    running.add(one.child);
    void one.finished.then(() => running.delete(one.child));
    return one;
  };
  const write: Site['write'] = (files) => {
    for (const [path, content] of Object.entries(files)) {
      const file = join(clone, path);
      mkdirSync(dirname(file), { recursive: true });
      if (content === undefined) rmSync(file);
      else writeFileSync(file, content);
    }
  };
  const site: Site = {
    dir,
    clone,
    remote,
    config,
    state: join(dir, 'state'),
    port,
    simulator,
    git,
    write,
    commit(subject, files = {}) {
      write(files);
      git('add', '--all');
      git('commit', '--quiet', '--allow-empty', '--message', subject);
      git('push', '--quiet', 'origin', 'HEAD:main');
      return git('rev-parse', 'HEAD');
    },
    configWith(change, name = 'other.yaml') {
      const path = join(dir, name);
      writeFileSync(path, change(readFileSync(config, 'utf8')));
      return path;
    },
    start,
    run: (args, env) => start(args, env).finished,
  };
  const close = async () => {
    for (const child of running) child.kill('SIGKILL');
    await simulator.stop();
    rmSync(dir, { recursive: true, force: true });
  };
  return { site, close };
}

function operatorYaml({ operatorKey, knownHosts, hosts }: Simulator, remote: string, port: number): string {
  const lines = hosts.map(
    ({ name, address, port: ssh }) => `  ${name}: { address: ${address}, port: ${ssh} }\n`,
  );
  return `state: ./state
git: { remote: ${remote} }
ssh: { key: ${operatorKey}, knownHosts: ${knownHosts} }
hosts:
${lines.join('')}http: { listen: '127.0.0.1:${port}' }
`;
}

/** Below the range from which the system takes the ports of everything else that these tests start. */
async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(20_000, 32_000);
    const server = createServer();
    const free = await new Promise<boolean>((resolve) => {
      server.once('error', () => resolve(false)).listen(port, '127.0.0.1', () => resolve(true));
    });
    if (!free) continue;
    server.close();
    await once(server, 'close');
    return port;
  }
}

/** Starts the program, with nothing between it and its signals. */
export function startCli(
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
  cwd: string = ROOT,
): Running {
  const clean = Object.entries(process.env).filter(
    ([name]) => !/^(CI|FORCE_COLOR|NO_COLOR|VITEST.*|NODE_ENV)$/.test(name),
  );
  const child = spawn(PROGRAM[0], [PROGRAM[1], ...args], {
    cwd,
    env: { ...Object.fromEntries(clean), ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let [stdout, stderr] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => void (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => void (stderr += text));
  const finished = once(child, 'close').then((): Finished => {
    if ((stdout + stderr).includes(ESCAPE)) throw new Error(`escape codes in a pipe:\n${stdout}${stderr}`);
    return { code: child.exitCode, signal: child.signalCode, stdout, stderr };
  });
  return {
    child,
    finished,
    stdout: () => stdout,
    stderr: () => stderr,
    says: async (text) => {
      const found = () => {
        const all = stdout + stderr;
        if (typeof text === 'string' ? all.includes(text) : text.test(all)) return true;
        if (child.exitCode !== null) throw new Error(`it ended with ${child.exitCode}`);
        return false;
      };
      try {
        await waitFor(String(text), found, { timeoutMs: 30_000 });
      } catch (error) {
        throw new Error(`it never said ${text}:\n${stdout}${stderr}`, { cause: error });
      }
    },
  };
}

function runGit(cwd: string, args: readonly string[]): string {
  const person = { name: 'Ann', email: 'ann@lab.internal' };
  return execFileSync('git', args, {
    cwd,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      PATH: process.env['PATH'],
      GIT_CONFIG_NOSYSTEM: '1',
      GIT_CONFIG_GLOBAL: '/dev/null',
      GIT_AUTHOR_NAME: person.name,
      GIT_AUTHOR_EMAIL: person.email,
      GIT_COMMITTER_NAME: person.name,
      GIT_COMMITTER_EMAIL: person.email,
    },
  }).trim();
}
