import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { type Claim, claimNumber, claims, releaseNumber, takeStaleClaims } from './claim.ts';
import { run } from './command.ts';
import { LabHost } from './host.ts';
import {
  createBridge,
  hostLink,
  type LabNetwork,
  labNetwork,
  plugIn,
  removeBridge,
  unplug,
} from './network.ts';
import { ensurePackages } from './packages.ts';
import { killAllRecorded } from './processes.ts';

export interface LabOptions {
  /** How many hosts; they are called t01, t02, ... At most 19. */
  readonly hosts: number;
  /** Folder for all state, kept by `stop`; absent: a temporary one. */
  readonly dir?: string;
  /** The lab outlives this process, until `stop`. */
  readonly keep?: boolean;
}

/** Real KVM hosts on this machine, each in namespaces of its own. It dies with the process that started it. */
export class Lab {
  readonly dir: string;
  readonly network: LabNetwork;
  readonly hosts: readonly LabHost[];
  /** Private key that every host lets in as root. */
  readonly operatorKey: string;
  /** File with the hosts' pinned keys. */
  readonly knownHosts: string;
  /** What is started through this object outlives this process. */
  readonly keep: boolean;
  readonly #claim: Claim;

  private constructor(claim: Claim) {
    const { dir, number } = claim;
    this.dir = dir;
    this.network = labNetwork(number);
    this.operatorKey = join(dir, 'operator');
    this.knownHosts = join(dir, 'known_hosts');
    // A host that another process boots is not to end with that process: the owner, if any, is someone else.
    this.keep = claim.owner?.pid !== process.pid;
    this.hosts = claim.hosts.map(
      (name, index) => new LabHost(dir, name, hostLink(number, name, index + 1), this.keep),
    );
    this.#claim = claim;
  }

  /** Starts a lab; done when every host is up. Removes first what labs of killed processes left behind. */
  static async start({ hosts, dir, keep = false }: LabOptions): Promise<Lab> {
    if (!Number.isInteger(hosts) || hosts < 1 || hosts > 19)
      throw new Error(`a lab has 1 to 19 hosts, not ${hosts}`);
    await ensurePackages();
    await sweep();
    const folder = dir === undefined ? mkdtempSync(join(tmpdir(), 'kvm-gitops-lab-')) : resolve(dir);
    const running = claims().find((claim) => claim.dir === folder);
    if (running !== undefined) throw new Error(`a lab is up in ${folder} already`);
    const names = Array.from({ length: hosts }, (_, index) => `t${String(index + 1).padStart(2, '0')}`);
    const lab = new Lab(claimNumber({ dir: folder, temporary: dir === undefined, hosts: names, keep }));
    try {
      await lab.#up();
      return lab;
    } catch (error) {
      await lab.stop();
      throw error;
    }
  }

  /** The lab that is up in that folder, or the only one of this machine, started by whatever process. */
  static open(dir?: string): Lab {
    const found = claims().filter((claim) => dir === undefined || claim.dir === resolve(dir));
    const [claim] = found;
    if (claim === undefined) throw new Error(`no lab is up${dir === undefined ? '' : ` in ${resolve(dir)}`}`);
    if (found.length > 1)
      throw new Error(`several labs are up; say which with --dir: ${found.map((lab) => lab.dir).join(', ')}`);
    return new Lab(claim);
  }

  /** The host of that name. */
  host(name: string): LabHost {
    const host = this.hosts.find((candidate) => candidate.name === name);
    if (host === undefined)
      throw new Error(`no host ${name} in this lab; it has ${this.#claim.hosts.join(', ')}`);
    return host;
  }

  /** Ends everything that runs and removes the network; a temporary folder too. Fine to call twice. */
  async stop(): Promise<void> {
    await dismantle(this.#claim);
  }

  async #up(): Promise<void> {
    mkdirSync(join(this.dir, 'processes'), { recursive: true });
    if (!existsSync(this.operatorKey)) {
      await run(['ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-C', 'operator', '-f', this.operatorKey]);
    }
    await Promise.all(this.hosts.map((host) => host.install()));
    writeFileSync(this.knownHosts, this.hosts.map((host) => `${host.knownHostsLine}\n`).join(''));
    const names = this.hosts.map((host) => `${host.address} ${host.name}\n`);
    writeFileSync(join(this.dir, 'hosts'), ['127.0.0.1 localhost\n', ...names].join(''));
    await createBridge(this.network);
    await Promise.all(this.hosts.map((host) => plugIn(this.network, host.link)));
    const boots = await Promise.allSettled(this.hosts.map((host) => host.boot()));
    // Only when all have come to an end, so that none boots while the lab is taken down.
    for (const boot of boots) if (boot.status === 'rejected') throw boot.reason;
  }
}

/** Removes what is left of labs whose process is gone. */
export async function sweep(): Promise<void> {
  for (const claim of takeStaleClaims()) await dismantle(claim);
}

async function dismantle({ number, dir, temporary, hosts }: Claim): Promise<void> {
  await killAllRecorded(join(dir, 'processes'));
  await Promise.all(hosts.map((name, index) => unplug(hostLink(number, name, index + 1))));
  await removeBridge(labNetwork(number));
  if (temporary) rmSync(dir, { recursive: true, force: true });
  releaseNumber(number);
}
