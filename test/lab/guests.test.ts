import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { labAvailable } from './available.ts';
import { onlyOne } from './host-view.ts';
import { hasBooted, useSite } from './operator-fixture.ts';
import { waitFor } from './wait.ts';

const CANARY = 'canary-b7e2';
const IMAGE = 'with-ssh.qcow2';
const AGENT_IMAGE = 'with-agent.qcow2';

describe.skipIf(!labAvailable().ok)(
  'names inside guests, each test going on where the last one ended',
  () => {
    const site = useSite(() => {}, { hosts: 1, images: { [IMAGE]: ['sshd'], [AGENT_IMAGE]: ['agent'] } });
    let key: string;

    /** A VM by its name, with lines of its own. */
    function declare(name: string, address: string, lines: string): void {
      const text = `- host: t01\n  vmspecs:\n    - { name: ${name}, ipaddress: ${address}, vcpus: 1, memoryGb: 0.125, ${lines} }\n`;
      site().remote.write(`manifests/${name}.yaml`, text);
    }
    const addressOf = (last: number) => `${site().lab.network.prefix}.${last}`;
    const nameInLease = (name: string) =>
      waitFor(
        `a lease for ${name}`,
        () =>
          site()
            .dhcp.leases()
            .find((lease) => lease.name === name),
        {
          timeoutMs: 60_000,
        },
      );

    beforeAll(() => {
      const { lab, remote, configure } = site();
      const dir = join(lab.dir, 'site');
      key = join(dir, 'guest_key');
      execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', 'guests', '-f', key]);
      mkdirSync(join(dir, 'secrets'));
      writeFileSync(join(dir, 'secrets', 'motd'), `${CANARY}\n`, { mode: 0o600 });
      configure({
        more: { secrets: { folder: './secrets' }, guests: { key: './guest_key', timeout: '60s' } },
      });
      remote.remove('manifests/web.yaml');
      remote.remove('manifests/db.json');
      const image = (volume: string) => `{ pool: default, volume: ${volume} }`;
      remote.write(
        'cluster.yaml',
        `cluster: demo\nimages: { base: ${image(IMAGE)}, agent: ${image(AGENT_IMAGE)} }\ndefaults: { image: base }\nhosts: { t01: }\n`,
      );
    });

    it('1: gives a guest its name by its seed: the lease bears it', async () => {
      const { remote, start, applied, look } = site();
      declare(
        'web-1',
        addressOf(21),
        `hostname: web-1.demo.internal, cloudInit: { userData: { motd: { secret: motd } } }`,
      );
      const sha = await remote.push('A VM with a seed');
      await start();
      await applied(sha);
      const web = onlyOne(await look(), 'web-1');
      expect(web.mark?.volumes).toEqual(
        expect.arrayContaining([expect.objectContaining({ name: 'web-1-seed.img', target: 'vdz' })]),
      );
      await hasBooted(site(), web, 1);
      expect(await nameInLease('web-1')).toMatchObject({ mac: web.macs[0] });
      expect(await seedOf('web-1')).toContain(`"motd": "${CANARY}"`);
    });

    it('2: writes a changed seed anew without a restart, and the guest has the new name after its next boot', async () => {
      const { remote, applied, look, lab } = site();
      declare(
        'web-1',
        addressOf(21),
        'hostname: shop.demo.internal, cloudInit: { userData: { motd: hello } }',
      );
      const { summary } = await applied(await remote.push('Another name'));
      expect(summary.done).toEqual({ describe: 1, seed: 1 });
      expect(await seedOf('web-1')).not.toContain(CANARY);
      await lab.host('t01').virsh('destroy', 'web-1');
      await hasBooted(site(), onlyOne(await look(), 'web-1'), 2);
      await nameInLease('shop');
    });

    it('3: names a guest over SSH once it runs, and pins its key', async () => {
      const { remote, applied, lab } = site();
      const publicKey = readFileSync(`${key}.pub`, 'utf8').trim();
      declare(
        'ssh-1',
        addressOf(22),
        `hostname: ssh-1.demo.internal, hostnameVia: ssh, cloudInit: { sshKeys: ["${publicKey}"], network: static, prefix: 24 }`,
      );
      const { text, summary } = await applied(await remote.push('A VM to log in to'));
      expect(summary.done).toMatchObject({ create: 1, start: 1, hostname: 1 });
      expect(text).toContain('set the host name of ssh-1');
      const recorded = readFileSync(join(lab.dir, 'site', 'state', 'guest-keys', 'ssh-1'), 'utf8');
      expect(recorded).toMatch(/^\* (ssh-ed25519|ecdsa-sha2-nistp256|ssh-rsa) \S+\n$/);

      declare(
        'ssh-1',
        addressOf(22),
        `hostname: new.demo.internal, hostnameVia: ssh, cloudInit: { sshKeys: ["${publicKey}"], network: static, prefix: 24 }`,
      );
      const renamed = await applied(await remote.push('Another name over SSH'));
      expect(renamed.summary.done).toEqual({ describe: 1, hostname: 1, seed: 1 });
      expect(readFileSync(join(lab.dir, 'site', 'state', 'guest-keys', 'ssh-1'), 'utf8')).toBe(recorded);
      const name = execFileSync(
        'ssh',
        [
          '-i',
          key,
          '-oBatchMode=yes',
          '-oHostKeyAlias=x',
          `-oUserKnownHostsFile=${join(lab.dir, 'site', 'state', 'guest-keys', 'ssh-1')}`,
          `root@${addressOf(22)}`,
          'uname -n; cat /etc/hostname',
        ],
        { encoding: 'utf8' },
      );
      expect(name).toBe('new.demo.internal\nnew.demo.internal\n');
    });

    it('4: has shown no secret: not in the log, the notes, the journal, the status, or what a definition says', async () => {
      const { lab, remote, cli, url } = site();
      const dir = join(lab.dir, 'site');
      const shown = [
        readFileSync(join(dir, 'operator.log'), 'utf8'),
        readFileSync(join(dir, 'state', 'journal.jsonl'), 'utf8'),
        await remote.log(),
        (await cli('plan', '--json')).stdout,
        (await cli('status', '--json')).stdout,
        await (await fetch(`${url}/api/status`)).text(),
        await lab.host('t01').virsh('dumpxml', 'web-1'),
      ];
      for (const text of shown) expect(text).not.toContain(CANARY);
    });

    it('5: names a guest by its agent, with neither a network nor a login, and once more when git has another name', async () => {
      const { remote, applied, cli, lab } = site();
      const nameInGuest = async () =>
        (await lab.host('t01').virsh('domhostname', 'agent-1', '--source', 'agent')).trim();
      const declareAgent = (hostname: string) =>
        declare(
          'agent-1',
          addressOf(23),
          `image: agent, hostname: ${hostname}, hostnameVia: agent, numDisks: 1, diskSize: 1`,
        );
      declareAgent('agent-1.demo.internal');
      const first = await applied(await remote.push('A VM with an agent'));
      expect(first.summary.done).toEqual({ create: 1, start: 1, hostname: 1 });
      expect(await nameInGuest()).toBe('agent-1.demo.internal');
      declareAgent('store.demo.internal');
      expect((await cli('plan', remote.clone)).stdout).toMatch(
        /hostname +agent-1 .*from agent-1\.demo\.internal to store\.demo\.internal/,
      );
      const second = await applied(await remote.push('Another name by the agent'));
      expect(second.summary.done).toEqual({ describe: 1, hostname: 1 });
      expect(second.text).toContain('set the host name of agent-1');
      expect(await nameInGuest()).toBe('store.demo.internal');
    });

    it('6: takes a snapshot with the file systems of a guest at rest, and says where it could not', async () => {
      const { remote, applied, cli, lab } = site();
      expect(await cli('snapshot', 'agent-1', 'create', 'clean')).toMatchObject({
        code: 0,
        stdout: 'clean of agent-1 is taken\n',
      });
      expect((await cli('snapshot', 'agent-1', 'list')).stdout).toMatch(
        /clean +.* +ready +vda vdb .*file systems at rest/,
      );
      const status = '{"execute":"guest-fsfreeze-status"}';
      expect(await lab.host('t01').virsh('qemu-agent-command', 'agent-1', status)).toContain('thawed');
      const lines =
        'hostname: shop.demo.internal, cloudInit: { userData: { motd: hello } }, snapshots: [clean]';
      declare('web-1', addressOf(21), lines);
      const { text } = await applied(await remote.push('A snapshot of a VM without an agent'));
      expect(text).toContain(
        '  snapshot of web-1 on t01: as after a power cut, its file systems were not brought to rest: no guest agent answers\n',
      );
    });

    it('7: deletes the seed with its VM', async () => {
      const { remote, applied, cli, lab } = site();
      remote.remove('manifests/web-1.yaml');
      await applied(await remote.push('Gone'));
      expect((await cli('purge', 'web-1', '--yes')).code).toBe(0);
      // The command sets the date; the operator deletes.
      const isGone = async () => !(await lab.host('t01').virsh('vol-list', 'default')).includes('web-1');
      await waitFor('its volumes to go', isGone, { timeoutMs: 30_000 });
      expect(await lab.host('t01').virsh('list', '--all', '--name')).not.toContain('web-1');
    });

    async function seedOf(vm: string): Promise<string> {
      return site()
        .lab.host('t01')
        .exec(['cat', `/data01/primary/${vm}-seed.img`]);
    }
  },
);
