import { inspect } from 'node:util';
import { beforeEach, describe, expect, it } from 'vitest';
import { WaitCutShort } from '../../../src/core/asked.ts';
import type { DesiredVm } from '../../../src/core/desired.ts';
import type { DesiredSeed } from '../../../src/core/seed.ts';
import { OperatorError } from '../../../src/errors.ts';
import { createGuests } from '../../../src/guests/guests.ts';
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

describe('the host name that a guest is given by its agent', () => {
  const timeoutMs = 300;
  const agents = useBench({
    settings: {
      ...NO_GUESTS,
      guests: createGuests({
        user: 'root',
        throughHost: false,
        timeoutMs,
        keysDir: '/nonexistent',
        hosts: new Map(),
      }),
    },
  });
  const viaAgent = (hostname: string) =>
    desiredState([desiredVm({ power: 'on', hostnameVia: 'agent', hostname })]);
  const guest = () => agents.host.guestOf('web');
  /** Programs that were run in the guest, by their names and arguments. */
  let ran: string[];

  beforeEach(async () => {
    ran = [];
    await agents.converge(desiredState([desiredVm({ hostname: 'one.lab' })]));
    agents.host.runAgent('web');
    for (const [path, run] of guest().programs)
      guest().programs.set(path, (args, input) => {
        ran.push([path, ...args].join(' '));
        return run(args, input);
      });
  });

  const refusal = async (hostname = 'one.lab') => {
    const { steps } = await agents.plan(viaAgent(hostname));
    const error: unknown = await agents.apply(steps).catch((thrown: unknown) => thrown);
    expect(ours(await agents.observe()).mark.guestName).toBeUndefined();
    return error;
  };

  it.each([
    ['hostnamectl', true, ['uname -n', 'hostnamectl set-hostname one.lab', 'uname -n']],
    ['the file and the kernel', false, ['uname -n', 'tee /etc/hostname', 'hostname one.lab', 'uname -n']],
  ])('is set by %s, once for each name, and remembered', async (_, systemd, programs) => {
    if (systemd)
      guest().programs.set('hostnamectl', (args) => {
        ran.push(['hostnamectl', ...args].join(' '));
        guest().hostName = args[1] ?? '';
        return { code: 0, stdout: '', stderr: '' };
      });
    expect(await agents.converge(viaAgent('one.lab'))).toEqual(['hostname web']);
    expect(ran).toEqual(programs);
    expect(guest().hostName).toBe('one.lab');
    expect(ours(await agents.observe()).mark.guestName).toBe('one.lab');
    expect(await agents.converge(viaAgent('one.lab'))).toEqual([]);
  });

  it('is not set where the guest has it: its agent need not run programs then', async () => {
    guest().hostName = 'one.lab';
    guest().forbidden = ['guest-exec'];
    const { steps } = await agents.plan(viaAgent('one.lab'));
    await agents.apply([...steps, ...steps]);
    expect(ran).toEqual([]);
    expect(ours(await agents.observe()).mark.guestName).toBe('one.lab');
  });

  it('is held up, with what to do, where the agent may not run programs', async () => {
    guest().forbidden = ['guest-exec'];
    expect(await refusal()).toMatchObject({
      code: 'E_GUEST',
      message: expect.stringMatching(
        /^web on a: its guest agent may not run programs: it refuses guest-exec\. .*\/etc\/sysconfig\/qemu-ga.*hostnameVia/,
      ),
    });
    expect(ran).toEqual([]);
  });

  it('is held up where the guest takes the name and does not have it', async () => {
    guest().programs.set('hostname', () => ({ code: 0, stdout: '', stderr: '' }));
    expect(await refusal()).toMatchObject({
      code: 'E_GUEST',
      message: 'web was named one.lab, and is (none)',
    });
  });

  it('is held up where a program fails, with what it said', async () => {
    guest().programs.set('tee', () => ({ code: 1, stdout: '', stderr: 'Read-only file system\n' }));
    expect(await refusal()).toMatchObject({
      code: 'E_GUEST',
      message: 'web: tee /etc/hostname ended with 1: Read-only file system',
    });
  });

  it('waits for an agent that comes with the boot, and no longer than it may', async () => {
    agents.host.runAgent('web', false);
    expect(await refusal()).toMatchObject({
      code: 'E_GUEST',
      message: expect.stringContaining(
        'web on a: no guest agent answers within 0.3 s. Install qemu-guest-agent',
      ),
    });
    let asked = 0;
    agents.host.intercept = (_host, name) => {
      if (name === 'domainAgentCommand' && ++asked === 2) agents.host.runAgent('web');
      return 'pass';
    };
    expect(await agents.converge(viaAgent('one.lab'))).toEqual(['hostname web']);
  });

  it('is not waited for any longer when a newer commit comes', async () => {
    agents.host.runAgent('web', false);
    const { steps } = await agents.plan(viaAgent('one.lab'));
    await expect(agents.apply(steps, AbortSignal.abort())).rejects.toBeInstanceOf(WaitCutShort);
  });
});
