import { expect, it } from 'vitest';
import { agentIsConnected } from '../../src/core/domain-definition.ts';
import { waitFor } from '../lab/wait.ts';
import { makeMachine } from './machine.ts';
import { failureOf, onEveryHost } from './site.ts';

const BOOT = { timeoutMs: 120_000 };

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

  it('does not show where there is none, nor while the domain is off', async () => {
    const { domains } = bench.libvirt;
    const domain = await makeMachine(bench.libvirt, 'web');
    expect(agentIsConnected(await domains.xml(domain))).toBe(false);
    await domains.start(domain);
    expect(agentIsConnected(await domains.xml(domain))).toBe(false);
    expect(await failureOf(domains.shutdown(domain, { mode: 'agent' }))).toEqual({
      code: 'AGENT_UNRESPONSIVE',
      domain: 10,
      message: 'Guest agent is not responding: QEMU guest agent is not connected',
    });
  });
});
