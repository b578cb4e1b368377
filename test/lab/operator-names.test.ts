import { Resolver } from 'node:dns/promises';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { labAvailable } from './available.ts';
import { dnsmasqKeys, type Lease } from './dhcp.ts';
import { readGuestFile } from './guest.ts';
import { onlyOne } from './host-view.ts';
import { BASE_IMAGE, type Site, useSite } from './operator-fixture.ts';
import { waitFor } from './wait.ts';

interface NamedVm {
  readonly name: string;
  readonly ipaddress: string;
  readonly mac?: string;
  readonly restart?: 'allowed';
}

describe.skipIf(!labAvailable().ok)(
  'names and addresses from dnsmasq, each test going on where the last one ended',
  () => {
    const site = useSite(
      (remote) => {
        remote.remove('manifests/db.json');
        remote.remove('manifests/web.yaml');
        remote.write(
          'cluster.yaml',
          `cluster: lab\nimages: { base: { pool: default, volume: ${BASE_IMAGE} } }\ndefaults: { image: base }\n`,
        );
      },
      { hosts: 1 },
    );
    let removal: string;

    it('1: a guest boots with its declared address and its declared name, and DNS knows both its names', async () => {
      const { remote, start, configure, applied, lab } = site();
      configure({ more: { dnsmasq: dnsmasqKeys(lab) } });
      declare(site(), [{ name: 'web-1', ipaddress: at(site(), 21) }]);
      const { text } = await applied(await remoteStart(remote, start, 'A web server'));
      expect(text).toContain('dnsmasq  published names');
      const vm = onlyOne(await site().look(), 'web-1');
      expect(await leaseOf(site(), vm.macs[0] ?? '')).toMatchObject({ ip: at(site(), 21), name: 'web-1' });
      expect(await resolve(site(), 'web-1')).toEqual([at(site(), 21)]);
      expect(await resolve(site(), 'web-1.demo.internal')).toEqual([at(site(), 21)]);
    });

    it('2: does nothing while all is as it should be', async () => {
      const before = readFileSync(join(site().lab.dir, 'dhcp', 'log'), 'utf8').match(/read .*\/hosts/g);
      const { stdout, code } = await site().cli('plan');
      expect(stdout).toContain('nothing to do');
      expect(code).toBe(0);
      const after = readFileSync(join(site().lab.dir, 'dhcp', 'log'), 'utf8').match(/read .*\/hosts/g);
      expect(after).toEqual(before);
    });

    it('config check finds all of it, and names shows it', async () => {
      const check = await site().cli('config', 'check');
      expect(check.stdout).toContain('syntax check OK');
      expect(check.stdout).not.toContain('failed');
      expect(check.code).toBe(0);
      const { stdout } = await site().cli('names');
      expect(stdout).toMatch(
        /web-1 +10\.77\.\d+\.21 +52:54:00:.{8} +web-1\.demo\.internal web-1 +loaded +until 20.*Z +manifests\/names\.json:\d+/,
      );
    });

    it('config check says what is wrong with what it finds', async () => {
      const { config, cli, lab } = site();
      // A file of its own: the operator that runs would take up what its own one says.
      const wrong = join(dirname(config), 'wrong.yaml');
      const right = JSON.parse(readFileSync(config, 'utf8'));
      const folder = join(lab.dir, 'dhcp', 'conf.d');
      writeFileSync(wrong, JSON.stringify({ ...right, dnsmasq: { ...dnsmasqKeys(lab), folder } }));
      const { stdout, code } = await cli('config', 'check', '--config', wrong);
      expect(code).toBe(1);
      expect(stdout).toMatch(
        /failed +dnsmasq reads our files\n +its configuration lacks `dhcp-hostsfile=.*conf\.d\/dhcp-hosts` and `addn-hosts=.*`: add it/,
      );
      expect(stdout.match(/^failed.*$/gm)).toEqual(['failed  dnsmasq reads our files']);
    });

    it('3: an address goes from a removed VM to a new one in one commit, and the new one has it at once', async () => {
      const { remote, applied } = site();
      const old = onlyOne(await site().look(), 'web-1');
      declare(site(), [{ name: 'web-2', ipaddress: at(site(), 21) }]);
      removal = await remote.push('Another web server in its place');
      const { text } = await applied(removal);
      expect(text).toContain(`released lease ${at(site(), 21)}`);
      const given = await readGuestFile(site().lab.host('t01'), 'web-1-vda.qcow2', 'lease.txt');
      expect(given.trim()).toBe(`${at(site(), 21)} web-1`);
      const vm = onlyOne(await site().look(), 'web-2');
      expect(await leaseOf(site(), vm.macs[0] ?? '')).toMatchObject({ ip: at(site(), 21), name: 'web-2' });
      expect(
        site()
          .dhcp.leases()
          .some(({ mac }) => mac === old.macs[0]),
      ).toBe(false);
      expect(await resolve(site(), 'web-2')).toEqual([at(site(), 21)]);
      expect(await resolve(site(), 'web-1')).toEqual([]);
    });

    it('4: refuses to bring the removed VM back to the address that another has by now', async () => {
      const { remote, noteOf } = site();
      declare(site(), [
        { name: 'web-1', ipaddress: at(site(), 21) },
        { name: 'web-2', ipaddress: at(site(), 21) },
      ]);
      const sha = await remote.push('Bring it back');
      const { text } = await noteOf(sha, ({ summary }) => summary.status === 'refused');
      expect(text).toMatch(/ipaddress of web-2: .* is that of web-1 in/);
      expect(onlyOne(await site().look(), 'web-1').running).toBe(false);
      await site().applied(await remote.revert(sha));
    });

    it.each([
      [
        'that somebody else has reserved',
        31,
        'dhcp-host=52:54:00:99:00:01,ADDRESS',
        /is reserved for 52:54:00:99:00:01 in .*other:1/,
      ],
      ['of another network', undefined, '', /10\.99\.0\.5 is outside the networks of every dhcp-range/],
      ["of dnsmasq's own machine", 254, '', /is that of dnsmasq's own machine/],
    ])('5: refuses an address %s', async (_, last, foreign, message) => {
      const { remote, noteOf, lab } = site();
      const address = last === undefined ? '10.99.0.5' : at(site(), last);
      writeFileSync(join(lab.dir, 'dhcp', 'conf.d', 'other'), `${foreign.replace('ADDRESS', address)}\n`);
      declare(site(), [
        { name: 'web-2', ipaddress: at(site(), 21) },
        { name: 'web-3', ipaddress: address },
      ]);
      const sha = await remote.push('An address of somebody else');
      const { text } = await noteOf(sha, ({ summary }) => summary.status === 'refused');
      expect(text).toMatch(message);
      await site().applied(await remote.revert(sha));
    });

    it('6: goes on with the VMs while dnsmasq cannot be found, says so, and makes up for it', async () => {
      const { remote, noteOf, applied, lab } = site();
      const pidFile = join(lab.dir, 'dhcp', 'pid');
      renameSync(pidFile, `${pidFile}.away`);
      declare(site(), [
        { name: 'web-2', ipaddress: at(site(), 21) },
        { name: 'web-4', ipaddress: at(site(), 24) },
      ]);
      const sha = await remote.push('One more');
      const { text, summary } = await noteOf(sha, (note) => note.summary.status === 'partial');
      expect(summary.done).toMatchObject({ create: 1, start: 1 });
      expect(text).toContain('names are unknown, dnsmasq is left as it is');
      renameSync(`${pidFile}.away`, pidFile);
      site().operator.signal('SIGUSR1');
      await applied(sha);
      expect(await resolve(site(), 'web-4')).toEqual([at(site(), 24)]);
    });

    it('7: a guest keeps its address when it gets another MAC address', async () => {
      const { remote, applied, dhcp } = site();
      const mac = '52:54:00:77:77:77';
      const address = at(site(), 24);
      await leaseOf(site(), onlyOne(await site().look(), 'web-4').macs[0] ?? '');
      declare(site(), [
        { name: 'web-2', ipaddress: at(site(), 21) },
        { name: 'web-4', ipaddress: address, mac, restart: 'allowed' },
      ]);
      const { summary } = await applied(await remote.push('Another card'));
      expect(summary.done).toMatchObject({ rewire: 1, publish: 1 });
      expect(await leaseOf(site(), mac)).toMatchObject({ ip: address, name: 'web-4' });
      expect(dhcp.leases().filter(({ ip }) => ip === address)).toHaveLength(1);
      site().operator.signal('SIGUSR1');
      const file = join(site().lab.dir, 'dhcp', 'names', 'dhcp-hosts');
      await waitFor(
        'the old MAC address to be forgotten',
        () => readFileSync(file, 'utf8').includes(`\n${mac},id:*,${address},web-4\n`),
        { timeoutMs: 30_000 },
      );
    });
  },
);

async function remoteStart(remote: Site['remote'], start: Site['start'], message: string): Promise<string> {
  const sha = await remote.push(message);
  await start();
  return sha;
}

function at({ lab }: Site, last: number): string {
  return `${lab.network.prefix}.${last}`;
}

function declare({ remote }: Site, vms: readonly NamedVm[]): void {
  const vmspecs = vms.map((vm) => ({
    ...vm,
    hostname: `${vm.name}.demo.internal`,
    vcpus: 1,
    memoryGb: 0.25,
  }));
  remote.write('manifests/names.json', `${JSON.stringify([{ host: 't01', vmspecs }], null, 2)}\n`);
}

/** The lease of a guest, once it has one. */
function leaseOf({ dhcp }: Site, mac: string): Promise<Lease> {
  return waitFor(`the lease of ${mac}`, () => dhcp.leases().find((lease) => lease.mac === mac), {
    timeoutMs: 120_000,
  });
}

/** What the lab's DNS has for a name. */
async function resolve({ lab }: Site, name: string): Promise<readonly string[]> {
  const resolver = new Resolver({ timeout: 2000, tries: 2 });
  resolver.setServers([lab.network.gateway]);
  return resolver.resolve4(name).catch(() => []);
}
