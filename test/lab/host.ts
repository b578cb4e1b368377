import type { ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type RunOptions, run } from './command.ts';
import { type HostLink, setCable } from './network.ts';
import { killRecorded, recordedProcess } from './processes.ts';
import { spawnTied } from './tied.ts';
import { waitFor } from './wait.ts';

const BOOT_TIMEOUT_MS = 60_000;
const POOL_PATH = '/data01/primary';

/** One KVM host of a lab. Its disks outlive a crash, as real ones do. */
export class LabHost {
  readonly name: string;
  readonly link: HostLink;
  /** Where its private folders are on the machine: `<stateDir>/etc/libvirt`, `<stateDir>/data01`, ... */
  readonly stateDir: string;
  readonly sshPort = 22;
  readonly #labDir: string;
  readonly #keep: boolean;

  constructor(labDir: string, name: string, link: HostLink, keep: boolean) {
    this.name = name;
    this.link = link;
    this.stateDir = join(labDir, name);
    this.#labDir = labDir;
    this.#keep = keep;
  }

  get address(): string {
    return this.link.address;
  }

  /** The line of known_hosts that pins its key. */
  get knownHostsLine(): string {
    const [type, key] = readFileSync(join(this.stateDir, 'hostkey.pub'), 'utf8').split(' ');
    return `${this.address} ${type} ${key}`;
  }

  /** Where the files of its pool `default` are on the machine. */
  get poolDir(): string {
    return join(this.stateDir, POOL_PATH);
  }

  /** What `stateDir` is called on the host itself. */
  get stateDirInside(): string {
    return `/mnt/${this.name}`;
  }

  /** Makes its disks, before the first boot: identity and host key. */
  async install(): Promise<void> {
    mkdirSync(this.stateDir, { recursive: true });
    if (existsSync(join(this.stateDir, 'uuid'))) return;
    await run([
      'ssh-keygen',
      '-q',
      '-t',
      'ed25519',
      '-N',
      '',
      '-C',
      this.name,
      '-f',
      join(this.stateDir, 'hostkey'),
    ]);
    writeFileSync(join(this.stateDir, 'uuid'), randomUUID());
  }

  isUp(): boolean {
    return this.#init() !== undefined;
  }

  /** Switches it on; done when sshd listens and libvirt answers. On the first boot its pool is made. */
  async boot(): Promise<void> {
    if (this.isUp()) throw new Error(`${this.name} is on already`);
    const ready = join(this.stateDir, 'ready');
    rmSync(ready, { force: true });
    const child = await this.#spawnInit();
    await waitFor(
      `${this.name} to boot`,
      () => {
        if (child.exitCode === null && child.signalCode === null) return existsSync(ready);
        throw new Error(`it stopped: ${readFileSync(this.#bootLog, 'utf8')}`);
      },
      { timeoutMs: BOOT_TIMEOUT_MS, intervalMs: 20 },
    );
    await this.#ensurePool();
  }

  /** A power cut: guests, libvirtd and sshd die at once. Done when all are dead. */
  async crash(): Promise<void> {
    // The first process of a pid namespace is gone only when all others in it are.
    await killRecorded(join(this.#labDir, 'processes'), this.name);
  }

  /** Takes its network cable out: connections hang, new ones too. */
  async cut(): Promise<void> {
    await setCable(this.link, 'down');
  }

  /** Puts the cable back. */
  async heal(): Promise<void> {
    await setCable(this.link, 'up');
  }

  /** Runs a program on the host, past its network, and returns its standard output; throws where it fails. */
  async exec(argv: readonly string[], options: RunOptions = {}): Promise<string> {
    const init = this.#init();
    if (init === undefined) throw new Error(`${this.name} is off`);
    const enter = [
      'nsenter',
      '--target',
      `${init.pid}`,
      '--mount',
      '--uts',
      '--ipc',
      '--net',
      '--pid',
      '--root',
    ];
    return run([...enter, 'env', 'HOME=/root', ...argv], options);
  }

  /** `exec` of virsh on its own libvirtd. */
  async virsh(...args: readonly string[]): Promise<string> {
    return this.exec(['virsh', '--quiet', '-c', 'qemu:///system', ...args]);
  }

  /** Defines a domain from its XML. */
  async define(xml: string): Promise<void> {
    const file = `define-${randomUUID()}.xml`;
    writeFileSync(join(this.stateDir, file), xml);
    try {
      await this.virsh('define', '--validate', join(this.stateDirInside, file));
    } finally {
      rmSync(join(this.stateDir, file));
    }
  }

  get #bootLog(): string {
    return join(this.stateDir, 'boot.log');
  }

  #init() {
    return recordedProcess(join(this.#labDir, 'processes'), this.name);
  }

  #spawnInit(): Promise<ChildProcess> {
    const isolate = ['unshare', '--mount', '--uts', '--pid', '--ipc', '--fork', '--kill-child'];
    const init = [join(import.meta.dirname, 'host-init'), this.name, this.#labDir];
    return spawnTied(['ip', 'netns', 'exec', this.link.netns, ...isolate, ...init], {
      log: this.#bootLog,
      keep: this.#keep,
      fifo: join(this.stateDir, 'power'),
    });
  }

  async #ensurePool(): Promise<void> {
    const pools = await this.virsh('pool-list', '--all', '--name');
    if (pools.split('\n').some((name) => name.trim() === 'default')) return;
    await this.virsh('pool-define-as', 'default', 'dir', '--target', POOL_PATH);
    await this.virsh('pool-build', 'default');
    await this.virsh('pool-start', 'default');
    await this.virsh('pool-autostart', 'default');
  }
}
