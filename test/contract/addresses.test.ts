import { expect, it } from 'vitest';
import { makeMachine } from './machine.ts';
import { failureOf, onEveryHost } from './site.ts';

onEveryHost('addresses', (bench) => {
  it.each(['lease', 'agent', 'arp'] as const)('tells none (%s) of a domain that is off', async (source) => {
    const domain = await makeMachine(bench.libvirt, 'web');
    expect(await failureOf(bench.libvirt.domains.addresses(domain, source))).toEqual({
      code: 'OPERATION_INVALID',
      domain: 20,
      message: 'Requested operation is not valid: domain is not running',
    });
  });

  it('knows no lease of a domain on a bridge that is not libvirt’s', async () => {
    const { domains } = bench.libvirt;
    const domain = await domains.start(await makeMachine(bench.libvirt, 'web'));
    expect(await domains.addresses(domain, 'lease')).toEqual([]);
  });

  it('refuses to ask an agent that does not answer', async () => {
    const { domains } = bench.libvirt;
    const domain = await domains.start(await makeMachine(bench.libvirt, 'web'));
    expect(await failureOf(domains.addresses(domain, 'agent'))).toEqual({
      code: 'AGENT_UNRESPONSIVE',
      domain: 10,
      message: 'Guest agent is not responding: QEMU guest agent is not connected',
    });
  });
});
