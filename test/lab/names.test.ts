import { type ChildProcess, spawn } from 'node:child_process';
import { Resolver } from 'node:dns/promises';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { freePort } from '../../src/demo/free-port.ts';
import { labAvailable } from './available.ts';
import { onlyOne } from './host-view.ts';
import { useSite } from './operator-fixture.ts';
import { waitFor } from './wait.ts';

const CLUSTER = `cluster: demo
defaults: { image: base }
hosts: { t01: }
images: { base: { pool: default, volume: base.qcow2 } }
`;
const BOOT = { timeoutMs: 120_000 };

describe.skipIf(!labAvailable().ok)(
  'addresses and names by a real dnsmasq, each test going on where the last one ended',
  () => {
    const site = useSite(() => {}, { hosts: 1 });
    let dnsmasq: ChildProcess | undefined;
    let dnsPort = 0;
    let removal: string;

    afterAll(async () => {
      if (dnsmasq === undefined || dnsmasq.exitCode !== null) return;
      dnsmasq.kill();
      await once(dnsmasq, 'exit');
    });

    const folder = () => join(site().lab.dir, 'names');
    const address = (last: number) => `${site().lab.network.prefix}.${last}`;

    /** In this process's pid namespace, so that its pid file is true. */
    async function startDnsmasq(): Promise<void> {
      const { lab, dhcp } = site();
      await dhcp.stop();
      mkdirSync(folder(), { mode: 0o755 });
      dnsPort = await freePort();
      const { bridge, prefix } = lab.network;
      dnsmasq = spawn(
        '/usr/sbin/dnsmasq',
        [
          '--conf-file=/dev/null',
          '--keep-in-foreground',
          '--user=root',
          '--no-resolv',
          '--no-hosts',
          `--port=${dnsPort}`,
          `--interface=${bridge}`,
          '--except-interface=lo',
          '--bind-interfaces',
          '--no-ping',
          '--dhcp-authoritative',
          `--dhcp-range=${prefix}.100,${prefix}.199,255.255.255.0,1h`,
          `--dhcp-leasefile=${join(lab.dir, 'leases')}`,
          `--dhcp-hostsfile=${join(folder(), 'dhcp-hosts')}`,
          `--addn-hosts=${join(folder(), 'hosts')}`,
          `--dhcp-host=02:00:00:00:00:99,${prefix}.99`,
          `--pid-file=${join(lab.dir, 'dnsmasq.pid')}`,
          `--log-facility=${join(lab.dir, 'dnsmasq.log')}`,
        ],
        { stdio: 'ignore' },
      );
      await waitFor('dnsmasq', () => existsSync(join(lab.dir, 'dnsmasq.pid')), { timeoutMs: 10_000 });
    }

    function declare(vms: Readonly<Record<string, number>>): void {
      const { remote } = site();
      const vmspecs = Object.entries(vms).map(([name, last]) => ({
        name,
        hostname: `${name}.lab.internal`,
        ipaddress: address(last),
        vcpus: 1,
        memoryGb: 0.1875,
      }));
      remote.remove('manifests');
      remote.write('cluster.yaml', CLUSTER);
      remote.write('manifests/vms.json', `${JSON.stringify([{ host: 't01', vmspecs }], null, 2)}\n`);
    }

    const leases = () => {
      const file = join(site().lab.dir, 'leases');
      return existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n') : [];
    };
    const hasLease = (mac: string, last: number, name: string) =>
      waitFor(
        `${name} to have ${address(last)}`,
        () => leases().some((line) => line.includes(` ${mac} ${address(last)} `)),
        BOOT,
      );
    const resolve = async (name: string) => {
      const dns = new Resolver({ timeout: 2000, tries: 2 });
      dns.setServers([`${site().lab.network.gateway}:${dnsPort}`]);
      return dns.resolve4(name).catch(() => []);
    };

    it('1: a new guest gets its declared address, and DNS its name, before it boots', async () => {
      await startDnsmasq();
      const { remote, configure, start, applied, look, lab } = site();
      const dns = `${lab.network.gateway}:${dnsPort}`;
      configure({ more: { dnsmasq: { folder: folder(), pidFile: join(lab.dir, 'dnsmasq.pid'), dns } } });
      declare({ web: 21 });
      const first = await remote.push('A web server');
      await start();
      const { text } = await applied(first);
      expect(text).toContain('published names');
      const [mac = ''] = onlyOne(await look(), 'web').macs;
      await hasLease(mac, 21, 'web');
      expect(await resolve('web.lab.internal')).toEqual([address(21)]);
      expect(readFileSync(join(folder(), 'dhcp-hosts'), 'utf8')).toContain(`${mac},id:*,${address(21)},web`);
    });

    it('2: an address that somebody else reserved, or that is outside every range, refuses the commit', async () => {
      const { remote, noteOf } = site();
      declare({ web: 21, db: 99 });
      const taken = await remote.push('An address that is taken');
      const { text } = await noteOf(taken, ({ summary }) => summary.status === 'refused');
      expect(text).toContain(address(99));
      expect(text).toMatch(/manifests\/vms\.json:\d+/);
    });

    it('3: a removed VM loses its name at once, and its address goes to another VM', async () => {
      const { remote, applied, look } = site();
      declare({ db: 22 });
      removal = await remote.push('No web server any more');
      await applied(removal);
      expect(await resolve('web.lab.internal')).toEqual([]);
      declare({ db: 22, next: 21 });
      await applied(await remote.push('Its address for another one'));
      const [mac = ''] = onlyOne(await look(), 'next').macs;
      await hasLease(mac, 21, 'next');
      expect(await resolve('next.lab.internal')).toEqual([address(21)]);
    });

    it('4: the removed VM does not come back while another one has its address', async () => {
      const { remote, noteOf, look } = site();
      declare({ db: 22, next: 21, web: 21 });
      const back = await remote.push('The web server again');
      const { text } = await noteOf(back, ({ summary }) => summary.status === 'refused');
      expect(text).toContain(`${address(21)} is that of next`);
      expect(onlyOne(await look(), 'web')).toMatchObject({ running: false, mark: { state: 'tombstone' } });
    });
  },
);
