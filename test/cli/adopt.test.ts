import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { imageFile } from '../../src/simulator/volumes.ts';
import { GIB } from '../builders.ts';
import { handMadeXml } from '../hosts/hand-made.ts';
import { CLUSTER_YAML, useSite } from './site.ts';

const site = useSite();
const UUIDS = {
  web: '11111111-2222-4333-8444-555555555501',
  disks: '11111111-2222-4333-8444-555555555502',
  cards: '11111111-2222-4333-8444-555555555503',
  lost: '11111111-2222-4333-8444-555555555504',
};
const OLD = JSON.stringify([
  {
    host: 't01',
    vmspecs: [
      { name: 'web', hostname: 'web.old.internal', ipaddress: '10.0.0.1', vcpus: 'many', numDisks: 0 },
      { name: 'disks', ipaddress: '10.0.0.2' },
    ],
  },
]);

function card(mac: string, source: string): string {
  return `<interface type='${source.startsWith('bridge') ? 'bridge' : 'network'}'><mac address='${mac}'/><source ${source}/></interface>`;
}

/** VMs of many shapes, as fleets have them that grew by hand. */
beforeAll(() => {
  const { host } = site.simulator.host('t01');
  const [first] = host.storage.pools();
  const pool = first?.path ?? '';
  const odd = 2 * GIB + 12_345;
  for (const [file, size] of [
    [`${pool}/web.img`, 2 * GIB],
    [`${pool}/sda.img`, odd],
    [`${pool}/sdb.img`, GIB],
    ['/srv/far.img', GIB],
    [`${pool}/cards.img`, GIB],
  ] as const)
    host.storage.putFile(file, imageFile(size, 0));
  if (first !== undefined) host.storage.refresh(first);
  const define = (vm: Parameters<typeof handMadeXml>[0], run = false) => {
    const domain = host.domains.define(handMadeXml(vm), false);
    if (run) host.domains.start(domain, 0);
  };
  define({ name: 'web', uuid: UUIDS.web, disks: { vda: `${pool}/web.img` } }, true);
  define({
    name: 'disks',
    uuid: UUIDS.disks,
    disks: { sda: `${pool}/sda.img`, sdb: `${pool}/sdb.img`, sdc: '/srv/far.img' },
    cards: card('52:54:00:aa:bb:02', "bridge='br0'"),
    memory: "<memory unit='KiB'>1000000</memory><currentMemory unit='KiB'>700001</currentMemory>",
  });
  define({
    name: 'cards',
    uuid: UUIDS.cards,
    disks: { hda: `${pool}/cards.img` },
    cards: [
      card('52:54:00:aa:bb:03', "bridge='br0'"),
      card('52:54:00:aa:bb:04', "bridge='br1'"),
      card('52:54:00:aa:bb:05', "network='default'"),
    ].join(''),
  });
  define({ name: 'Big_VM', uuid: UUIDS.lost, disks: {} });
  site.write({ 'old.json': OLD });
  site.commit('Nothing yet', { 'cluster.yaml': CLUSTER_YAML });
});

describe('adopting a fleet, in the order of a day', () => {
  const from = () => ['--from', join(site.clone, 'old.json'), '--address', 'cards=10.0.0.3'];

  it('says of each VM what a purge would delete and what is left out, and fails for the one that does not fit', async () => {
    const { code, stdout, stderr } = await site.run(['adopt', 't01', ...from()]);
    expect(code).toBe(1);
    expect(stderr).toContain('Big_VM  not adopted: its IP address is not known');
    expect(stderr).toContain('a purge deletes default/sda.img, default/sdb.img');
    expect(stderr).toContain('disk sdc (/srv/far.img) is in no active storage pool');
    expect(stderr).toContain('network card 52:54:00:aa:bb:05 is on no bridge');
    expect(stdout).toContain(`uuid: ${UUIDS.web}`);
    expect(stdout).toContain('hostname: web.old.internal');
    expect(stdout).not.toContain('Big_VM');
  });

  it.each([
    { args: ['t01', 'nobody'], says: 't01 has no VM nobody' },
    { args: ['t09'], says: 't09 is not in operator.yaml' },
    { args: ['t01', '--address', 'web=10.0.0'], says: 'expected VM=IP' },
    { args: ['t01', '--from', '/nowhere.json'], says: '--from /nowhere.json: ' },
  ])('refuses $args', async ({ args, says }) => {
    expect(await site.run(['adopt', ...args])).toMatchObject({
      code: 1,
      stdout: '',
      stderr: expect.stringContaining(says),
    });
  });

  it('refuses a name that no manifest can have', async () => {
    const { code, stderr } = await site.run(['adopt', 't01', 'Big_VM', '--address', 'Big_VM=10.0.0.9']);
    expect(code).toBe(1);
    expect(stderr).toContain('its name does not fit into a manifest: expected a VM name');
  });

  it('writes a file from which nothing follows but adoptions, and after those nothing', async () => {
    const file = join(site.clone, 'manifests/t01.yaml');
    site.write({ 'manifests/.keep': '' });
    const names = ['web', 'disks', 'cards'];
    expect(await site.run(['adopt', 't01', ...names, ...from(), '--output', file])).toMatchObject({
      code: 0,
    });
    expect(readFileSync(file, 'utf8')).toContain('{ target: sda, sizeGb: 2, pool: default }');
    expect((await site.run(['adopt', 't01', ...names, ...from(), '--output', file])).stderr).toContain(
      'is there already',
    );
    expect(await site.run(['validate', site.clone])).toMatchObject({ code: 0 });
    site.commit('Adopt');
    const planned = await site.run(['plan']);
    expect(planned.stdout).toMatch(/\n3 to adopt\n$/);
    const ids = () =>
      site.simulator
        .host('t01')
        .host.domains.all()
        .map(({ run }) => run?.id);
    const before = ids();
    expect(await site.run(['reconcile', '--once'])).toMatchObject({ code: 0 });
    expect(ids()).toEqual(before);
    expect(await site.run(['plan'])).toMatchObject({ code: 0 });
    expect(await site.run(['drift'])).toMatchObject({ code: 0, stdout: expect.stringContaining('no drift') });
  });

  it('leaves out what is ours by now', async () => {
    const { code, stdout, stderr } = await site.run(['adopt', 't01', ...from()]);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toContain('web  left out: it belongs to cluster lab');
  });

  it('drift names the field and ends with 2', async () => {
    const { host } = site.simulator.host('t01');
    host.domains.setAutostart(host.domains.byName('web'), true);
    const { code, stdout } = await site.run(['drift']);
    expect(code).toBe(2);
    expect(stdout).toMatch(/t01 +web +autostart +false +true +drift: will be put back/);
    const json = JSON.parse((await site.run(['drift', '--json'])).stdout);
    expect(json).toMatchObject({ v: 1, differences: [{ vm: 'web', field: 'autostart', kind: 'drift' }] });
  });
});
