import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { OperatorError } from '../errors.ts';
import { startSimulator } from '../simulator/simulator.ts';

/** Three hosts for the demo, as operator.yaml needs to know them. */
export interface DemoHosts {
  readonly description: string;
  readonly key: string;
  readonly knownHosts: string;
  readonly hosts: readonly { readonly name: string; readonly address: string; readonly port: number }[];
  readonly virtType: 'kvm' | 'qemu';
  stop(): Promise<void>;
}

const NAMES = ['t01', 't02', 't03'];
const BASE_IMAGE = { volume: 'base.qcow2', sizeGiB: 1 };

/** libvirtd in memory, behind real SSH servers on the loopback interface. */
export async function simulatedHosts(): Promise<DemoHosts> {
  const simulator = await startSimulator({
    hosts: NAMES.map((name) => ({ name, cpus: 8, memoryMiB: 16 * 1024, images: [BASE_IMAGE] })),
  });
  return {
    description: 'simulated hosts: libvirt in memory behind real SSH servers',
    key: simulator.operatorKey,
    knownHosts: simulator.knownHosts,
    hosts: simulator.hosts,
    virtType: 'kvm',
    stop: () => simulator.stop(),
  };
}

/** Real libvirtd, sshd and QEMU guests in namespaces of this machine. They end with this process. */
export async function labHosts(): Promise<DemoHosts> {
  const cli = fileURLToPath(new URL('../../test/lab/cli.ts', import.meta.url));
  if (!existsSync(cli))
    throw new OperatorError(
      'E_USAGE',
      '--lab needs a clone of the repository: run `npm run demo -- --lab` in it',
    );
  const lab = spawn('npx', ['tsx', cli, 'up', String(NAMES.length), '--foreground', '--json'], {
    cwd: fileURLToPath(new URL('../..', import.meta.url)),
    stdio: ['pipe', 'pipe', 'inherit'],
    // Ctrl-C at the terminal is for us; the lab ends when its standard input does.
    detached: true,
  });
  const exited = once(lab, 'exit');
  const [line] = await Promise.race([
    once(createInterface({ input: lab.stdout }), 'line'),
    exited.then(() => {
      throw new OperatorError('E_USAGE', 'the lab did not start; see above');
    }),
  ]);
  // What our own lab prints; `npm run lab` has no other reader.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  const { key, knownHosts, hosts } = JSON.parse(String(line)) as Pick<
    DemoHosts,
    'key' | 'knownHosts' | 'hosts'
  >;
  return {
    description: 'real hosts: libvirtd, sshd and QEMU guests on this machine',
    key,
    knownHosts,
    hosts,
    virtType: 'qemu',
    async stop() {
      lab.stdin.end();
      await exited;
    },
  };
}
