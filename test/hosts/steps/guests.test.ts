import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import type { DesiredVm } from '../../../src/core/desired.ts';
import type { DesiredSeed } from '../../../src/core/seed.ts';
import { OperatorError } from '../../../src/errors.ts';
import { desiredSeed, desiredState, desiredVm, NOW } from '../../builders.ts';
import { NO_GUESTS, ours, POOL, useBench, volumesOf } from '../bench.ts';

const CANARY = 'canary-44ad';
const LATER = new Date(NOW.getTime() + 30 * 24 * 60 * 60 * 1000);
const DISKS = ['default/web-seed.img', 'default/web-vda.qcow2'];

/** The names that guests were given, and how they answer. */
const named: string[] = [];
const fresh: string[] = [];
let answer: () => Promise<void>;
const bench = useBench({
  settings: {
    ...NO_GUESTS,
    guests: {
      expectNew: async (vm) => void fresh.push(vm),
      setHostname: async ({ vm, hostname }) => {
        await answer();
        named.push(`${vm} ${hostname}`);
      },
    },
  },
});

function web(change: Partial<DesiredVm> = {}) {
  return desiredState([desiredVm({ power: 'off', seed: desiredSeed({ motd: 'one' }), ...change })]);
}

/** What is in the seed on the host. */
function seedText(): string {
  return bench.host.storage
    .content(`${POOL}/web-seed.img`)
    .head(1024 ** 2)
    .toString('latin1');
}

describe('the seed of a VM', () => {
  it('is made with the VM, as a read-only disk that counts for none of its data disks', async () => {
    expect(await bench.converge(web())).toEqual(['create web']);
    const text = seedText();
    for (const part of ['CIDATA', '"local-hostname": "web.lab.internal"', '"motd": "one"'])
      expect(text).toContain(part);
    expect(bench.host.storage.file(`${POOL}/web-seed.img`)).toMatchObject({
      format: 'raw',
      capacityBytes: 2 * 1024 ** 2,
    });
    const libvirt = await bench.libvirt();
    const xml = await libvirt.domains.xml(await libvirt.domains.byName('web'), { inactive: true });
    expect(/<disk [^>]*>(?:(?!<\/disk>)[^])*vdz(?:(?!<\/disk>)[^])*<\/disk>/.exec(xml)?.[0]).toContain(
      '<readonly/>',
    );
    expect((await bench.plan(web())).held).toEqual([]);
  });

  it('is written anew when git says something else, once, and no restart', async () => {
    await bench.converge(web({ power: 'on' }));
    const changed = web({ power: 'on', seed: desiredSeed({ motd: 'two' }) });
    expect(await bench.converge(changed)).toEqual(['seed web']);
    expect(seedText()).toContain('"motd": "two"');
    expect(seedText()).not.toContain('"motd": "one"');
    expect(bench.host.isRunning('web')).toBe(true);
  });

  it('changes nothing when its step is applied twice', async () => {
    await bench.converge(web());
    const { steps } = await bench.plan(web({ seed: desiredSeed({ motd: 'two' }) }));
    await bench.apply(steps);
    const [files, { mark }] = [bench.host.storage.files(), ours(await bench.observe())];
    await bench.apply(steps);
    expect(bench.host.storage.files()).toEqual(files);
    expect(ours(await bench.observe()).mark).toEqual(mark);
  });

  it('is made again where its volume was deleted by hand', async () => {
    await bench.converge(web());
    const libvirt = await bench.libvirt();
    await libvirt.volumes.delete(await libvirt.volumes.byPath(`${POOL}/web-seed.img`));
    await bench.converge(web({ seed: desiredSeed({ motd: 'two' }) }));
    expect(seedText()).toContain('"motd": "two"');
  });

  it('is that of the newest commit where an earlier one was cut short', async () => {
    const { steps } = await bench.plan(web());
    bench.host.intercept = (_host, name) => (name === 'domainSetAutostart' ? { error: 1 } : 'pass');
    await expect(bench.apply(steps)).rejects.toMatchObject({ code: 'E_LIBVIRT' });
    bench.host.intercept = undefined;
    expect(seedText()).toContain('"motd": "one"');
    await bench.converge(web({ seed: desiredSeed({ motd: 'two' }) }));
    expect(seedText()).toContain('"motd": "two"');
    expect(volumesOf(bench.host)).toEqual(DISKS);
  });

  it('goes with the VM when that is purged', async () => {
    await bench.converge(web());
    await bench.converge(desiredState());
    expect(volumesOf(bench.host)).toEqual(DISKS);
    await bench.converge(desiredState(), LATER);
    expect(volumesOf(bench.host)).toEqual([]);
  });

  it('never takes the place of a volume that somebody else has under its name', async () => {
    const libvirt = await bench.libvirt();
    const pool = await libvirt.pools.byName('default');
    await libvirt.volumes.create(pool, '<volume><name>web-seed.img</name><capacity>1024</capacity></volume>');
    const { steps } = await bench.plan(web());
    await expect(bench.apply(steps)).rejects.toMatchObject({ code: 'E_NOT_OURS' });
    expect(bench.host.storage.file(`${POOL}/web-seed.img`)?.capacityBytes).toBe(1024);
  });

  it('that lacks a secret begins nothing, and names the reference alone', async () => {
    const seed: DesiredSeed = desiredSeed({ motd: CANARY, password: { secret: 'web/password' } });
    const { steps } = await bench.plan(web({ seed }));
    const failure = await bench.apply(steps).catch((error: unknown) => error);
    expect(failure).toMatchObject({
      code: 'E_SECRET',
      message: expect.stringContaining('the secret web/password'),
    });
    expect(bench.host.vms()).toEqual([]);
    for (const shown of [inspect({ steps, failure }, { depth: 20 }), JSON.stringify({ steps, failure })])
      expect(shown).not.toContain(CANARY);
  });

  it('leaves nothing of itself in the definition of the VM', async () => {
    await bench.converge(web({ seed: desiredSeed({ motd: CANARY }) }));
    expect(seedText()).toContain(CANARY);
    const libvirt = await bench.libvirt();
    expect(await libvirt.domains.xml(await libvirt.domains.byName('web'), {})).not.toContain(CANARY);
  });
});

describe('the host name inside a guest', () => {
  const viaSsh = (hostname: string) => web({ power: 'on', hostnameVia: 'ssh', hostname });

  it('is set after the start of a new VM, once for each name', async () => {
    answer = async () => undefined;
    named.length = 0;
    expect(await bench.converge(viaSsh('one.lab'))).toEqual(['create web', 'start web', 'hostname web']);
    expect(await bench.converge(viaSsh('one.lab'))).toEqual([]);
    expect(await bench.converge(viaSsh('two.lab'))).toEqual(['hostname web']);
    expect(named).toEqual(['web one.lab', 'web two.lab']);
    expect(ours(await bench.observe()).mark.guestName).toBe('two.lab');
  });

  it('is tried again where the guest did not take it', async () => {
    answer = async () => {
      throw new OperatorError('E_GUEST', 'no answer');
    };
    const { steps } = await bench.plan(viaSsh('one.lab'));
    await expect(bench.apply(steps)).rejects.toMatchObject({ code: 'E_GUEST' });
    expect(ours(await bench.observe()).mark.guestName).toBeUndefined();
    answer = async () => undefined;
    expect(await bench.converge(viaSsh('one.lab'))).toEqual(['hostname web']);
  });

  it('is not asked for while the VM is off, or once it is somebody else’s', async () => {
    answer = async () => undefined;
    await bench.converge(web({ hostnameVia: 'ssh' }));
    const [, step] = (await bench.plan(viaSsh('one.lab'))).steps;
    if (step?.kind !== 'hostname') throw new Error('no step');
    await expect(bench.apply([step])).rejects.toMatchObject({
      code: 'E_GUEST',
      message: expect.stringContaining('is shutoff'),
    });
    await expect(bench.apply([{ ...step, cluster: 'other' }])).rejects.toMatchObject({ code: 'E_NOT_OURS' });
  });

  it('forgets the key of an earlier guest when a new one is made', async () => {
    fresh.length = 0;
    await bench.converge(web());
    await bench.converge(web({ seed: desiredSeed({ motd: 'two' }) }));
    expect(fresh).toEqual(['web']);
  });
});
