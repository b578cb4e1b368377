import { expect, it } from 'vitest';
import { MARK_NAMESPACE, MARK_PREFIX } from '../../src/core/mark.ts';
import { waitFor } from '../lab/wait.ts';
import { listen } from './listen.ts';
import { machineXml, makeMachine } from './machine.ts';
import { onEveryHost } from './site.ts';

onEveryHost('events', (bench) => {
  it('tell in order of define, start, destroy and undefine', async () => {
    const { domains } = bench.libvirt;
    const { heard, stop } = await listen(bench.libvirt);
    const domain = await makeMachine(bench.libvirt, 'web');
    await domains.define(machineXml('web'));
    await domains.start(domain);
    await domains.destroy(domain);
    await domains.undefine(domain);
    await waitFor('the last event', () => heard('web').includes('undefined removed'), { timeoutMs: 30_000 });
    expect(heard('web')).toEqual([
      'defined added',
      'defined updated',
      'resumed unpaused',
      'started booted',
      'shutdown host',
      'stopped destroyed',
      'undefined removed',
    ]);
    await stop();
  });

  it('tell of a start that is paused', async () => {
    const { domains } = bench.libvirt;
    const domain = await makeMachine(bench.libvirt, 'web');
    const { heard, stop } = await listen(bench.libvirt);
    await domains.start(domain, { paused: true });
    await waitFor('two events', () => heard('web').length === 2, { timeoutMs: 30_000 });
    expect(heard('web')).toEqual(['started booted', 'suspended paused']);
    await stop();
  });

  it('tell of metadata, with its namespace, also when nothing changed', async () => {
    const { domains } = bench.libvirt;
    const domain = await makeMachine(bench.libvirt, 'web');
    const { heard, stop } = await listen(bench.libvirt);
    const element = { uri: MARK_NAMESPACE, key: MARK_PREFIX, xml: '<vm/>' };
    await domains.setMetadata(domain, element, { config: true });
    await domains.setMetadata(domain, { ...element, xml: undefined }, { config: true });
    await domains.setMetadata(domain, { ...element, xml: undefined }, { config: true });
    const expected = Array.from({ length: 3 }, () => `metadata ${MARK_NAMESPACE}`);
    await waitFor('three events', () => heard('web').length === 3, { timeoutMs: 30_000 });
    expect(heard('web')).toEqual(expected);
    await stop();
  });

  it('do not tell of a start that failed', async () => {
    const { domains } = bench.libvirt;
    const domain = await domains.define(machineXml('web'));
    const { heard, stop } = await listen(bench.libvirt);
    await expect(domains.start(domain)).rejects.toThrow('No such file');
    await domains.undefine(domain);
    await waitFor('the last event', () => heard('web').length > 0, { timeoutMs: 30_000 });
    expect(heard('web')).toEqual(['undefined removed']);
    await stop();
  });

  it('reach every connection, until it has had enough', async () => {
    const { domains } = bench.libvirt;
    const other = (await bench.connect()).client;
    const [here, there] = [await listen(bench.libvirt), await listen(other)];
    const domain = await makeMachine(bench.libvirt, 'web');
    await waitFor('both', () => here.heard('web').length + there.heard('web').length === 2, {
      timeoutMs: 30_000,
    });
    await there.stop();
    await domains.undefine(domain);
    await waitFor('the last event', () => here.heard('web').length === 2, { timeoutMs: 30_000 });
    expect(there.heard('web')).toEqual(['defined added']);
    await here.stop();
  });
});
