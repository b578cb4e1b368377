import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll } from 'vitest';
import { freePort } from '../../src/demo/free-port.ts';
import { type Dhcp, startDhcp } from './dhcp.ts';
import { buildGuestImage, type GuestHabit, installBaseImage, withHabits } from './guest.ts';
import { lookAt, type SeenHost, type SeenVm } from './host-view.ts';
import { Lab } from './lab.ts';
import { type CommitNote, createManifestsRemote, type ManifestsRemote } from './manifests-remote.ts';
import {
  type CliResult,
  type OperatorProcess,
  runCli,
  spawnOperator,
  untilServing,
} from './operator-process.ts';
import { waitFor } from './wait.ts';

export const BASE_IMAGE = 'base.qcow2';
export const WEBHOOK_SECRET = 'not much of a secret';
const NOTE_TIMEOUT_MS = 60_000;
const BOOT_TIMEOUT_MS = 120_000;
const LOG_LINES_OF_A_FAILURE = 60;

/** What operator.yaml says beside the lab's hosts and the remote. */
export interface Settings {
  readonly vmsPerHost: number;
  readonly httpPort: number;
  readonly shutdownTimeout: string;
  /** Further keys of operator.yaml. */
  readonly more?: Readonly<Record<string, unknown>>;
}

/** What a site is made of, where it is not three hosts with the base image. */
export interface SiteOptions {
  readonly hosts?: number;
  /** More images for every host: the guest with these habits, by the name of the volume. */
  readonly images?: Readonly<Record<string, readonly GuestHabit[]>>;
}

/** Real hosts, a real git remote, and the program between them. */
export interface Site {
  readonly lab: Lab;
  readonly dhcp: Dhcp;
  readonly remote: ManifestsRemote;
  /** operator.yaml. */
  readonly config: string;
  /** The operator that runs now. */
  readonly operator: OperatorProcess;
  /** Where its HTTP server is by operator.yaml. */
  readonly url: string;
  /** Starts the operator; done when it answers. */
  readonly start: () => Promise<void>;
  /** Starts the operator; does not wait. */
  readonly spawn: () => OperatorProcess;
  /** Writes operator.yaml again. */
  readonly configure: (settings: Partial<Settings>) => void;
  /** Runs a command of the program to its end. */
  readonly cli: (...args: readonly string[]) => Promise<CliResult>;
  /** What virsh shows on every host. */
  readonly look: () => Promise<readonly SeenHost[]>;
  /** The note of a commit, once it says what is waited for. */
  readonly noteOf: (sha: string, wanted: (note: CommitNote) => boolean) => Promise<CommitNote>;
  /** The note of a commit, once it says `applied`. */
  readonly applied: (sha: string) => Promise<CommitNote>;
}

/** For the tests of one file: starts the lab, and the operator over a remote that is still empty; ends both. */
export function useSite(
  prepare: (remote: ManifestsRemote) => void = () => {},
  { hosts = 3, images = {} }: SiteOptions = {},
): () => Site {
  let site: Site | undefined;
  let lab: Lab | undefined;
  beforeAll(async () => {
    lab = await Lab.start({ hosts });
    site = await createSite(lab, images);
    prepare(site.remote);
  });
  afterEach(({ task }) => {
    if (task.result?.state === 'fail' && site !== undefined) showLog(site);
  });
  afterAll(async () => {
    try {
      await site?.operator.kill();
    } finally {
      await lab?.stop();
    }
  });
  return () => {
    if (site === undefined) throw new Error('only inside a test');
    return site;
  };
}

async function createSite(lab: Lab, images: NonNullable<SiteOptions['images']>): Promise<Site> {
  const dhcp = await startDhcp(lab);
  const image = await buildGuestImage();
  for (const host of lab.hosts) await installBaseImage(host, image, BASE_IMAGE);
  for (const [volume, habits] of Object.entries(images)) {
    const changed = await withHabits(image, habits, lab.dir);
    for (const host of lab.hosts) await installBaseImage(host, changed, volume);
  }
  const dir = join(lab.dir, 'site');
  mkdirSync(dir);
  const remote = await createManifestsRemote(dir);
  const config = join(dir, 'operator.yaml');
  const program = { config, env: { WEBHOOK_SECRET } };
  let settings: Settings = { vmsPerHost: 4, httpPort: await freePort(), shutdownTimeout: '120s' };
  const url = () => `http://127.0.0.1:${settings.httpPort}`;
  let operator: OperatorProcess | undefined;
  const spawn = () => (operator = spawnOperator(program, join(dir, 'operator.log'), url));
  const configure = (changed: Partial<Settings>) => {
    settings = { ...settings, ...changed };
    writeFileSync(config, operatorYaml(lab, settings));
  };
  configure({});
  const noteOf = (sha: string, wanted: (note: CommitNote) => boolean) => waitForNote(remote, sha, wanted);
  return {
    lab,
    dhcp,
    remote,
    config,
    get operator() {
      if (operator === undefined) throw new Error('no operator has been started yet');
      return operator;
    },
    get url() {
      return url();
    },
    spawn,
    start: async () => untilServing(spawn()),
    configure,
    cli: (...args) => runCli(args, program),
    look: () => Promise.all(lab.hosts.map(lookAt)),
    noteOf,
    applied: (sha) => noteOf(sha, ({ summary }) => summary.status === 'applied'),
  };
}

/** YAML 1.2 takes JSON as it is. */
function operatorYaml(lab: Lab, { vmsPerHost, httpPort, shutdownTimeout, more }: Settings): string {
  const hosts = lab.hosts.map(({ name, address }) => [name, { address, virtType: 'qemu' }]);
  return JSON.stringify({
    state: './state',
    git: { remote: './manifests.git' },
    ssh: { key: lab.operatorKey, knownHosts: lab.knownHosts, connectTimeout: '15s', keepalive: '1s' },
    hosts: Object.fromEntries(hosts),
    concurrency: { vmsPerHost },
    shutdownTimeout,
    http: { listen: `127.0.0.1:${httpPort}` },
    webhook: { secret: { env: 'WEBHOOK_SECRET' } },
    ...more,
  });
}

async function waitForNote(
  remote: ManifestsRemote,
  sha: string,
  wanted: (note: CommitNote) => boolean,
): Promise<CommitNote> {
  let last: CommitNote | undefined;
  const look = async () => {
    last = await remote.note(sha);
    return last !== undefined && wanted(last) && last;
  };
  try {
    return await waitFor(`the note of ${sha}`, look, { timeoutMs: NOTE_TIMEOUT_MS });
  } catch (error) {
    throw new Error(`the note of ${sha} says:\n${last?.text ?? '(there is none)'}`, { cause: error });
  }
}

/** Waits until a VM has booted so often: a guest takes a lease each time. */
export async function hasBooted({ lab, dhcp }: Site, vm: SeenVm, times: number): Promise<void> {
  const [mac = ''] = vm.macs;
  const answers = () =>
    readFileSync(join(lab.dir, 'dhcp', 'log'), 'utf8')
      .split('\n')
      .filter((line) => line.includes('DHCPACK') && line.includes(mac));
  const isUp = () => answers().length >= times && dhcp.leases().some((lease) => lease.mac === mac);
  await waitFor(`${vm.name} to boot ${times} times`, isUp, { timeoutMs: BOOT_TIMEOUT_MS });
}

function showLog({ config }: Site): void {
  const lines = readFileSync(config.replace(/yaml$/, 'log'), 'utf8').trimEnd().split('\n');
  process.stderr.write(`the operator's log ends so:\n${lines.slice(-LOG_LINES_OF_A_FAILURE).join('\n')}\n`);
}
