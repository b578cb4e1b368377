import { expect, it } from 'vitest';
import { parseDomain } from '../../src/core/domain-definition.ts';
import { MARK_NAMESPACE, MARK_PREFIX } from '../../src/core/mark.ts';
import { waitFor } from '../lab/wait.ts';
import { listen } from './listen.ts';
import { makeMachine } from './machine.ts';
import { failureOf, onEveryHost } from './site.ts';

onEveryHost('managed save', (bench) => {
  it('stops a domain and keeps its memory; the next start goes on where it was', async () => {
    const { domains } = bench.libvirt;
    const domain = await domains.start(await makeMachine(bench.libvirt, 'web'));
    const { heard, stop } = await listen(bench.libvirt);
    await domains.managedSave(domain);
    expect(await domains.state(domain)).toEqual({ state: 'shutoff', reason: 5 });
    expect(await domains.hasManagedSave(domain)).toBe(true);
    expect((await domains.list({ managedSave: true })).map(({ name }) => name)).toEqual(['web']);
    await domains.start(domain);
    expect(await domains.state(domain)).toEqual({ state: 'running', reason: 3 });
    expect(await domains.hasManagedSave(domain)).toBe(false);
    await waitFor('the last event', () => heard('web').length >= 4, { timeoutMs: 30_000 });
    expect(heard('web')).toEqual([
      'suspended paused',
      'stopped saved',
      'started restored',
      'resumed fromSnapshot',
    ]);
    await stop();
  });

  it('resumes with the size and the metadata that were saved, whatever the definition says by now', async () => {
    const { domains } = bench.libvirt;
    const domain = await domains.start(await makeMachine(bench.libvirt, 'web'));
    const element = { uri: MARK_NAMESPACE, key: MARK_PREFIX };
    await domains.managedSave(domain);
    await domains.setVcpus(domain, 2, { config: true, maximum: true });
    await domains.setVcpus(domain, 2, { config: true });
    await domains.setMemory(domain, 256 * 1024, { config: true, maximum: true });
    await domains.setMetadata(domain, { ...element, xml: '<vm note="new"/>' }, { config: true });
    expect(parseDomain(await domains.xml(domain))).toMatchObject({ vcpus: 2, maxMemoryMiB: 256 });
    await domains.start(domain);
    expect(parseDomain(await domains.xml(domain))).toMatchObject({ vcpus: 1, maxMemoryMiB: 128 });
    const inactive = parseDomain(await domains.xml(domain, { inactive: true }));
    expect(inactive).toMatchObject({ vcpus: 2, maxMemoryMiB: 256 });
    expect(await domains.metadata(domain, MARK_NAMESPACE, { live: true })).toContain('state="building"');
    expect(await domains.metadata(domain, MARK_NAMESPACE, { config: true })).toContain('note="new"');
    await domains.destroy(domain);
    await domains.start(domain);
    expect(parseDomain(await domains.xml(domain))).toMatchObject({ vcpus: 2, maxMemoryMiB: 256 });
  });

  it('of a paused domain comes back paused', async () => {
    const { domains } = bench.libvirt;
    const domain = await domains.start(await makeMachine(bench.libvirt, 'web'), { paused: true });
    const { heard, stop } = await listen(bench.libvirt);
    await domains.managedSave(domain);
    await domains.start(domain);
    expect(await domains.state(domain)).toEqual({ state: 'paused', reason: 2 });
    await waitFor('the last event', () => heard('web').length >= 3, { timeoutMs: 30_000 });
    expect(heard('web')).toEqual(['stopped saved', 'started restored', 'suspended restored']);
    await stop();
  });

  it('is thrown away by a start that is told to boot, or by itself; undefining waits for that', async () => {
    const { domains } = bench.libvirt;
    const domain = await domains.start(await makeMachine(bench.libvirt, 'web'));
    await domains.managedSave(domain);
    expect(await failureOf(domains.undefine(domain))).toMatchObject({
      code: 'OPERATION_INVALID',
      message:
        'Requested operation is not valid: Refusing to undefine while domain managed save image exists',
    });
    await domains.start(domain, { forceBoot: true });
    expect(await domains.state(domain)).toEqual({ state: 'running', reason: 1 });
    await domains.managedSave(domain);
    await domains.removeManagedSave(domain);
    expect(await domains.hasManagedSave(domain)).toBe(false);
    await domains.start(domain);
    expect(await domains.state(domain)).toEqual({ state: 'running', reason: 1 });
  });

  it('needs a domain that runs and has a definition', async () => {
    const { domains } = bench.libvirt;
    const domain = await makeMachine(bench.libvirt, 'web');
    expect(await failureOf(domains.managedSave(domain))).toEqual({
      code: 'OPERATION_INVALID',
      domain: 20,
      message: 'Requested operation is not valid: domain is not running',
    });
    const transient = await domains.start(await makeMachine(bench.libvirt, 'gone'));
    await domains.undefine(transient);
    expect(await failureOf(domains.managedSave(transient))).toEqual({
      code: 'OPERATION_INVALID',
      domain: 10,
      message: 'Requested operation is not valid: cannot do managed save for transient domain',
    });
  });
});
