import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { orderInWords } from '../../src/core/suspension.ts';
import { openConfirmations } from '../../src/state/confirmations.ts';
import { openControl } from '../../src/state/control.ts';

function open() {
  const dir = mkdtempSync(join(tmpdir(), 'kvm-gitops-control-'));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  let now = new Date('2026-01-01T00:00:00Z');
  const clock = { now: () => now };
  const reopen = () => openControl({ dir, clock, confirmations: openConfirmations(dir, clock) });
  const control = reopen();
  const pass = (minutes: number): void => {
    now = new Date(now.getTime() + minutes * 60_000);
  };
  const suspend = (scope: object, minutes = 60, reason = 'new disks') =>
    control.suspend({ scope, who: 'ann', reason, until: new Date(now.getTime() + minutes * 60_000) });
  const told = async () => [...(await control.orders()).values()].map(orderInWords);
  return { control, reopen, pass, suspend, told, dir };
}

describe('suspensions', () => {
  it('stand, for another process too, until the instant at which they end', async () => {
    const { suspend, reopen, pass } = open();
    await suspend({ host: 't01' });
    pass(59.99);
    expect(await reopen().suspensions()).toEqual([
      {
        scope: { host: 't01' },
        who: 'ann',
        at: '2026-01-01T00:00:00.000Z',
        until: '2026-01-01T01:00:00.000Z',
        reason: 'new disks',
      },
    ]);
    pass(0.01);
    expect(await reopen().suspensions()).toEqual([]);
  });

  it('are told once when they are given, and once when they end by themselves', async () => {
    const { control, suspend, pass, told, dir } = open();
    await suspend({ host: 't01', vm: 'web-1' });
    expect(await told()).toEqual(['ann suspended t01/web-1 until 2026-01-01 01:00:00Z: new disks']);
    await control.told((await control.orders()).keys());
    expect(await told()).toEqual([]);
    pass(60);
    expect(await told()).toEqual(['the suspension of t01/web-1 by ann ended: new disks']);
    expect(await told()).toHaveLength(1);
    await control.told((await control.orders()).keys());
    expect(await told()).toEqual([]);
    expect([...readdirSync(join(dir, 'suspensions')), ...readdirSync(join(dir, 'orders'))]).toEqual([]);
  });

  it('have the newest reason and end where something is suspended again', async () => {
    const { control, suspend } = open();
    await suspend({ host: 't01' });
    await suspend({ host: 't01' }, 10, 'nearly done');
    expect(await control.suspensions()).toMatchObject([
      { reason: 'nearly done', until: '2026-01-01T00:10:00.000Z' },
    ]);
  });

  it('keep names apart that have dashes, dots and percent signs in them', async () => {
    const { control, suspend } = open();
    const scopes = [
      {},
      { host: 'all' },
      { host: 'a', vm: 'b-c' },
      { host: 'a-b', vm: 'c' },
      { host: 'a%2Db' },
      { host: 'a.b' },
    ];
    for (const scope of scopes) await suspend(scope);
    const found = (await control.suspensions()).map(({ scope }) => scope);
    expect(found).toHaveLength(scopes.length);
    expect(found).toEqual(expect.arrayContaining(scopes));
  });

  it('are lifted one by one, or all at once; what is not suspended is said', async () => {
    const { control, suspend, told } = open();
    await suspend({ host: 't01' });
    await suspend({ host: 't01', vm: 'web-1' });
    await suspend({});
    await expect(control.resume({ host: 't02' }, 'bob')).rejects.toMatchObject({
      code: 'E_USAGE',
      message: expect.stringMatching(/^t02 is not suspended by itself; what is: .*everything/),
    });
    expect(await control.resume({ host: 't01' }, 'bob')).toHaveLength(1);
    expect(await control.suspensions()).toHaveLength(2);
    expect(await control.resume({}, 'bob')).toHaveLength(2);
    expect(await control.suspensions()).toEqual([]);
    expect((await told()).slice(3)).toEqual([
      'bob resumed t01',
      expect.stringContaining('bob resumed'),
      expect.stringContaining('bob resumed'),
    ]);
    await expect(control.resume({}, 'bob')).rejects.toThrow('nothing is suspended');
  });

  it.each(['', '{', '[]', '{"who":"ann","reason":"x","at":"2026-01-01T00:00:00Z","until":"soon"}'])(
    'hold until they are resumed where their file says %j',
    async (content) => {
      const { control, suspend, dir, pass } = open();
      await suspend({ host: 't01' });
      writeFileSync(join(dir, 'suspensions', 'host-t01.json'), content);
      pass(1_000_000);
      expect(await control.suspensions()).toMatchObject([
        { scope: { host: 't01' }, reason: 'its file is damaged' },
      ]);
      await control.resume({ host: 't01' }, 'bob');
      expect(await control.suspensions()).toEqual([]);
    },
  );
});

describe('orders', () => {
  it('tell of a confirmation and of who gave it', async () => {
    const { control, told, dir } = open();
    await control.confirm('0123456789ab', 'ann');
    expect(await told()).toEqual(['ann confirmed 0123456789ab']);
    expect(readdirSync(join(dir, 'confirmations'))).toEqual(['0123456789ab']);
  });

  it('tell once of an end that two look at in the same moment', async () => {
    const { control, reopen, suspend, pass, told } = open();
    await suspend({ host: 't01' });
    await control.told((await control.orders()).keys());
    pass(60);
    await Promise.all(Array.from({ length: 20 }, () => reopen().orders()));
    expect(await told()).toEqual(['the suspension of t01 by ann ended: new disks']);
  });

  it('are not made by looking whether there are any', async () => {
    const { control, suspend, pass } = open();
    await suspend({ host: 't01' });
    pass(60);
    expect([...(await control.waiting()).values()].map(({ kind }) => kind)).toEqual(['suspend']);
  });

  it('that are damaged are passed over, and what is half written is not seen', async () => {
    const { control, told, dir } = open();
    mkdirSync(join(dir, 'orders'));
    writeFileSync(join(dir, 'orders', 'x.json'), '{"kind":');
    writeFileSync(join(dir, 'orders', 'y.json.123.new'), '{}');
    await control.confirm('0123456789ab', 'ann');
    expect(await told()).toHaveLength(1);
  });
});
