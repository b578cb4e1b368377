import { expect, it } from 'vitest';
import { snapshotXml } from '../../src/core/disk-sources.ts';
import { agentIsConnected } from '../../src/core/domain-definition.ts';
import { renderVolume } from '../../src/core/volume-xml.ts';
import type { DomainRef } from '../../src/libvirt/protocol/procedure.ts';
import { waitFor } from '../lab/wait.ts';
import { MIB, machineXml, makeMachine } from './machine.ts';
import { failureOf, onEveryHost, POOL_PATH } from './site.ts';

const BOOT = { timeoutMs: 120_000 };
const SOON = { timeoutMs: 10_000 };

/** What libvirt says of a command that the agent refuses. */
function refusal(command: string, what: string) {
  const message = `internal error: unable to execute QEMU agent command '${command}': ${what}`;
  return { code: 'INTERNAL_ERROR', domain: 10, message };
}

onEveryHost('the guest agent', (bench) => {
  it('shows in the XML of the running domain once it is there, and shuts down a guest that hears no power button', async () => {
    const { domains } = bench.libvirt;
    const domain = await domains.start(await bench.site.makeAgentGuest(bench.libvirt, 'web'));
    await waitFor('the agent', async () => agentIsConnected(await domains.xml(domain)), BOOT);
    expect(agentIsConnected(await domains.xml(domain, { inactive: true }))).toBe(false);
    await domains.shutdown(domain, { mode: 'acpi' });
    await domains.shutdown(domain, { mode: 'agent' });
    const isOff = async () => (await domains.state(domain)).state === 'shutoff';
    await waitFor('the guest to end', isOff, { timeoutMs: 30_000 });
    expect(await domains.state(domain)).toEqual({ state: 'shutoff', reason: 1 });
  });

  /** Runs a program in the guest to its end. */
  async function run(domain: DomainRef, path: string, args: readonly string[], input?: string) {
    const { agent } = bench.libvirt;
    const pid = await agent.run(domain, { path, args, ...(input && { input: Buffer.from(input) }) });
    return waitFor(
      `${path} to end`,
      async () => {
        const process = await agent.process(domain, pid);
        return process.exited && process;
      },
      SOON,
    );
  }

  it(
    'tells the host name, runs programs without a shell, and freezes file systems for a snapshot',
    async () => {
      const { agent, chains, domains, pools, volumes } = bench.libvirt;
      const off = await bench.site.makeAgentGuest(bench.libvirt, 'web');
      expect(await failureOf(agent.hostName(off))).toEqual({
        code: 'OPERATION_INVALID',
        domain: 20,
        message: 'Requested operation is not valid: domain is not running',
      });
      const domain = await domains.start(off);
      await waitFor('the agent', async () => agentIsConnected(await domains.xml(domain)), BOOT);

      expect(await agent.hostName(domain)).toBe('(none)');
      expect(await run(domain, 'uname', ['-n'])).toEqual({
        exited: true,
        code: 0,
        stdout: '(none)\n',
        stderr: '',
      });
      const strange = 'web; $(reboot) `x` "y"\n';
      expect(await run(domain, 'tee', ['/etc/hostname'], strange)).toMatchObject({
        code: 0,
        stdout: strange,
      });
      expect(await run(domain, 'hostname', ['web.lab'])).toMatchObject({ code: 0, stdout: '' });
      expect(await agent.hostName(domain)).toBe('web.lab');
      expect(
        await failureOf(agent.run(domain, { path: 'hostnamectl', args: ['set-hostname', 'x'] })),
      ).toEqual(
        refusal(
          'guest-exec',
          "Guest agent command failed, error was 'Failed to execute child process “hostnamectl” (No such file or directory)'",
        ),
      );
      expect(await failureOf(agent.process(domain, 1))).toEqual(
        refusal('guest-exec-status', "Invalid parameter 'pid'"),
      );
      expect(await agent.allowedCommands(domain)).toContain('guest-exec');

      /** Takes a snapshot of its data disk that goes on in that file. */
      const quiesced = async (name: string, backing: string) => {
        const xml = renderVolume(name, 16 * MIB, { path: `${POOL_PATH}/${backing}`, format: 'qcow2' });
        await volumes.create(await pools.byName('default'), xml);
        const files = new Map([['vdb', `${POOL_PATH}/${name}`]]);
        const how = { diskOnly: true, atomic: true, noMetadata: true, reuseExternal: true };
        await chains.snapshot(domain, snapshotXml(['vda', 'vdb'], files), { ...how, quiesce: true });
      };
      expect(await agent.isFrozen(domain)).toBe(false);
      await quiesced('one.qcow2', 'web-vdb.qcow2');
      expect(await agent.isFrozen(domain)).toBe(false);
      expect(await agent.freeze(domain)).toBe(1);
      expect(await agent.isFrozen(domain)).toBe(true);
      expect(await agent.allowedCommands(domain)).not.toContain('guest-exec');
      const frozen = (command: string) =>
        refusal(command, `Command ${command} has been disabled: the agent is in frozen state`);
      expect(await failureOf(agent.hostName(domain))).toEqual(frozen('guest-get-host-name'));
      expect(await failureOf(quiesced('two.qcow2', 'one.qcow2'))).toEqual(frozen('guest-fsfreeze-freeze'));
      expect(await agent.isFrozen(domain)).toBe(true);
      await agent.thaw(domain);
      await agent.thaw(domain);
      expect(await agent.isFrozen(domain)).toBe(false);
    },
    BOOT.timeoutMs,
  );

  it('is not to be had where the domain has no channel for one', async () => {
    const { agent, domains } = bench.libvirt;
    await makeMachine(bench.libvirt, 'web');
    const xml = machineXml('web').replace(/<channel .*<\/channel>/, '');
    const domain = await domains.start(await domains.define(xml));
    expect(await failureOf(agent.hostName(domain))).toEqual({
      code: 'ARGUMENT_UNSUPPORTED',
      domain: 10,
      message: 'argument unsupported: QEMU guest agent is not configured',
    });
  });

  it('does not show where there is none, nor while the domain is off', async () => {
    const { agent, domains } = bench.libvirt;
    const domain = await makeMachine(bench.libvirt, 'web');
    expect(agentIsConnected(await domains.xml(domain))).toBe(false);
    await domains.start(domain);
    expect(agentIsConnected(await domains.xml(domain))).toBe(false);
    const silent = {
      code: 'AGENT_UNRESPONSIVE',
      domain: 10,
      message: 'Guest agent is not responding: QEMU guest agent is not connected',
    };
    expect(await failureOf(domains.shutdown(domain, { mode: 'agent' }))).toEqual(silent);
    expect(await failureOf(agent.hostName(domain))).toEqual(silent);
  });
});
