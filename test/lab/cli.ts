import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { errorMessage } from '../../src/errors.ts';
import { labAvailable } from './available.ts';
import { startDhcp } from './dhcp.ts';
import { buildGuestImage, installBaseImage } from './guest.ts';
import { Lab, type LabOptions, sweep } from './lab.ts';

const USAGE = `Real KVM hosts on this machine, for trying things out. Needs root on Debian; installs what it needs.

  npm run lab -- up 3          start hosts t01 to t03; they stay until \`down\`
  npm run lab -- status        what is up
  npm run lab -- crash t02     a power cut: all of its processes die, its disks stay
  npm run lab -- boot t02      switch it on again over the same disks
  npm run lab -- cut t02       take its network cable out
  npm run lab -- heal t02      put it back
  npm run lab -- down          end all of it

  --dir DIR      state folder; \`up\` keeps it after \`down\`. Without it: a temporary one, and the only lab that is up
  --foreground   \`up\` ends the lab with its standard input, or at SIGTERM
  --json         one line of JSON instead of text
`;

const OPTIONS = {
  dir: { type: 'string' },
  foreground: { type: 'boolean', default: false },
  json: { type: 'boolean', default: false },
} as const;

async function main(argv: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({ args: [...argv], options: OPTIONS, allowPositionals: true });
  const { dir, foreground, json } = values;
  const [command = '', operand = ''] = positionals;
  const available = labAvailable();
  if (!available.ok) throw new Error(`no lab here: ${available.reason}`);
  await sweep();
  switch (command) {
    case 'up':
      return await up(
        { hosts: Number(operand || 3), keep: !foreground, ...(dir === undefined ? {} : { dir }) },
        json,
      );
    case 'status':
      print(Lab.open(dir), json);
      return 0;
    case 'down':
      await down(Lab.open(dir));
      return 0;
    case 'crash':
    case 'boot':
    case 'cut':
    case 'heal':
      await Lab.open(dir).host(operand)[command]();
      return 0;
    default:
      process.stderr.write(USAGE);
      return 1;
  }
}

async function up(options: LabOptions, json: boolean): Promise<number> {
  const ended = options.keep === true ? undefined : untilToldToEnd();
  const lab = await Lab.start(options);
  try {
    await startDhcp(lab);
    const image = await buildGuestImage();
    for (const host of lab.hosts) await installBaseImage(host, image, 'base.qcow2');
    print(lab, json);
    await ended;
  } finally {
    if (!lab.keep) await lab.stop();
  }
  return 0;
}

async function down(lab: Lab): Promise<void> {
  await lab.stop();
  const left = existsSync(lab.dir) ? `; the disks of its hosts are still in ${lab.dir}` : '';
  process.stdout.write(`The lab is down${left}.\n`);
}

async function untilToldToEnd(): Promise<void> {
  process.stdin.resume();
  await Promise.race([once(process.stdin, 'end'), once(process, 'SIGTERM'), once(process, 'SIGINT')]);
}

function print(lab: Lab, json: boolean): void {
  process.stdout.write(json ? `${JSON.stringify(describe(lab))}\n` : text(lab));
}

function describe(lab: Lab) {
  const { dir, operatorKey: key, knownHosts } = lab;
  const hosts = lab.hosts.map((host) => ({
    name: host.name,
    address: host.address,
    port: host.sshPort,
    up: host.isUp(),
  }));
  return { dir, key, knownHosts, bridge: lab.network.bridge, hosts };
}

function text(lab: Lab): string {
  const { operatorKey: key, knownHosts } = lab;
  const ssh = lab.hosts.map(
    ({ name, address }) => `  ${name}  ssh -i ${key} -o UserKnownHostsFile=${knownHosts} root@${address}\n`,
  );
  const off = lab.hosts.filter((host) => !host.isUp()).map((host) => `  ${host.name} is off\n`);
  const hosts = lab.hosts.map(({ name, address }) => `  ${name}: { address: ${address}, virtType: qemu }\n`);
  return `Lab in ${lab.dir}\n${ssh.join('')}${off.join('')}\nEach has the base image base.qcow2, a tiny guest, in its pool default.\n\nFor operator.yaml:\nssh:\n  key: ${key}\n  knownHosts: ${knownHosts}\nhosts:\n${hosts.join('')}`;
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`${errorMessage(error)}\n`);
  process.exitCode = 1;
}
