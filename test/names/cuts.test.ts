import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { renderNames } from '../../src/core/names-files.ts';
import { DNSMASQ } from '../../src/core/names-subject.ts';
import type { PublishStep } from '../../src/core/step.ts';
import { freePort } from '../../src/demo/free-port.ts';
import { askDns } from '../../src/names/ask-dns.ts';
import { localMachine } from '../../src/names/local-machine.ts';
import type { Machine } from '../../src/names/machine.ts';
import { createNames } from '../../src/names/names.ts';
import type { DnsServer, NamesSettings } from '../../src/names/settings.ts';
import { sshMachine } from '../../src/names/ssh-machine.ts';
import { CLUSTER } from '../builders.ts';
import { endChild, hasSshd, type Sshd, startSshd } from '../hosts/sshd.ts';
import { waitFor } from '../lab/wait.ts';

const hasDnsmasq = process.platform === 'linux' && existsSync('/usr/sbin/dnsmasq');
type Way = readonly [name: string, bySsh: boolean, whens: readonly ('before' | 'after')[]];
/** By SSH each call starts a process there: what differs is what the answer is lost of. */
const ways: readonly Way[] = [
  ['on this machine', false, ['before', 'after']],
  ...(hasSshd ? ([['by SSH', true, ['after']]] as const) : []),
];

describe.skipIf(!hasDnsmasq).each(ways)('publishing names to a dnsmasq %s', (_, bySsh, whens) => {
  const dir = mkdtempSync(join(tmpdir(), 'kg-dnsmasq-'));
  const folder = join(dir, 'names');
  let sshd: Sshd | undefined;
  let machine: Machine;
  let dnsmasq: RunningDnsmasq;

  beforeAll(async () => {
    mkdirSync(folder);
    sshd = bySsh ? await startSshd() : undefined;
    machine = sshd === undefined ? localMachine() : sshMachine(sshd.target);
    dnsmasq = await startDnsmasq(dir, folder);
  });
  afterAll(async () => {
    machine.close();
    await dnsmasq.stop();
    await sshd?.stop();
    rmSync(dir, { recursive: true, force: true });
  });

  it.each(whens)(
    'is completed by the next try when it is cut %s any of its changes',
    { timeout: 120_000 },
    async (when) => {
      const { settings, dns } = dnsmasq;
      const names = createNames(machine, settings);
      let cuts = 0;
      for (let cut = 1; ; cut++) {
        const vm = `web-${when}-${cut}`;
        const step = publishStep(vm, join(folder, 'hosts'));
        const isCut = await createNames(cutting(machine, cut, when), settings)
          .apply(step)
          .then(
            () => false,
            () => true,
          );
        if (!isCut) break;
        cuts = cut;
        await names.apply(step);
        expect(readFileSync(join(folder, 'dhcp-hosts'), 'utf8')).toBe(step.files.dhcpHosts);
        expect(readFileSync(join(folder, 'hosts'), 'utf8')).toBe(step.files.hosts);
        expect(await askDns(dns, vm)).toEqual(['10.0.0.11']);
      }
      // Two files and a signal.
      expect(cuts).toBe(3);
    },
  );
});

function publishStep(vm: string, path: string): PublishStep {
  const entry = { vm, hostname: `${vm}.lab.internal`, address: '10.0.0.11', mac: '52:54:00:00:00:01' };
  const files = renderNames({ cluster: CLUSTER, path }, [entry]);
  return { kind: 'publish', host: DNSMASQ, cluster: CLUSTER, files, reason: '1 new or changed' };
}

/** Fails at one of the calls that change something: before it does, or when its answer is on the way. */
function cutting(machine: Machine, at: number, when: 'before' | 'after'): Machine {
  let calls = 0;
  const cut = async <T>(work: () => Promise<T>): Promise<T> => {
    const isIt = ++calls === at;
    if (isIt && when === 'before') throw new Error('cut');
    const result = await work();
    if (isIt) throw new Error('cut');
    return result;
  };
  return {
    ...machine,
    replace: (path, text) => cut(() => machine.replace(path, text)),
    run: (argv, signal) => {
      const run = () => machine.run(argv, signal);
      return argv[0] === 'kill' ? cut(run) : run();
    },
  };
}

interface RunningDnsmasq {
  readonly settings: NamesSettings;
  readonly dns: DnsServer;
  stop(): Promise<void>;
}

/** One that gives names alone, on the loopback interface. */
async function startDnsmasq(dir: string, folder: string): Promise<RunningDnsmasq> {
  const dns = { address: '127.0.0.1', port: await freePort() };
  const pidFile = join(dir, 'pid');
  const options = [
    '--keep-in-foreground',
    '--conf-file=/dev/null',
    `--user=${userInfo().username}`,
    '--no-resolv',
    '--no-hosts',
    `--listen-address=${dns.address}`,
    '--bind-interfaces',
    `--port=${dns.port}`,
    `--pid-file=${pidFile}`,
    `--dhcp-hostsfile=${join(folder, 'dhcp-hosts')}`,
    `--addn-hosts=${join(folder, 'hosts')}`,
  ];
  const child = spawn('/usr/sbin/dnsmasq', options, { stdio: 'ignore' });
  await waitFor('dnsmasq', () => existsSync(pidFile), { timeoutMs: 10_000 });
  return {
    settings: { folder, process: { kind: 'pidFile', path: pidFile }, sudo: false, interface: undefined, dns },
    dns,
    stop: () => endChild(child),
  };
}
