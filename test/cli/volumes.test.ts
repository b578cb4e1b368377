import { describe, expect, it } from 'vitest';
import { CLUSTER_YAML, manifest, useSite } from './site.ts';

const site = useSite();
const FILE = 'manifests/web.yaml';
const bare = manifest('t01', 'web-1');
const withDisks = bare.replace('memoryGb: 0.5', 'memoryGb: 0.5, numDisks: 2, diskSize: 1');

async function reconcile(subject: string, content: string) {
  site.commit(subject, { [FILE]: content });
  expect(await site.run(['reconcile', '--once'])).toMatchObject({ code: 0 });
}

describe('the volumes of disks that left git', () => {
  it('are none at first', async () => {
    site.write({ 'cluster.yaml': CLUSTER_YAML });
    await reconcile('Two disks', withDisks);
    expect(await site.run(['volumes'])).toMatchObject({
      code: 0,
      stdout: 'no volume is kept: no disk has left the manifests lately\n',
    });
  });

  it('are listed with VM, host, size and date', async () => {
    await reconcile('No disks', bare);
    const { code, stdout } = await site.run(['volumes']);
    expect(code).toBe(0);
    expect(stdout).toMatch(
      /web-1 +t01 +vdb +default\/web-1-vdb\.qcow2 +1 GiB +\d{4}-\d\d-\d\d +\d{4}-\d\d-\d\d/,
    );
    const json = JSON.parse((await site.run(['volumes', '--json'])).stdout);
    expect(json).toMatchObject({
      v: 1,
      volumes: [
        { vm: 'web-1', target: 'vdb', bytes: 1024 ** 3 },
        { vm: 'web-1', target: 'vdc' },
      ],
      unknownHosts: [],
    });
  });

  it('are deleted by hand one by one, and only when somebody means it', async () => {
    const volume = 'web-1-vdb.qcow2';
    const asked = await site.run(['purge', 'web-1', '--volume', volume]);
    expect(asked).toMatchObject({ code: 1, stderr: expect.stringContaining('--yes') });
    const other = await site.run(['purge', 'web-1', '--volume', 'web-1-vda.qcow2', '--yes']);
    expect(other).toMatchObject({
      code: 1,
      stderr: expect.stringContaining(
        'no volume web-1-vda.qcow2 can be purged: kept volumes of web-1: web-1-vdb.qcow2, web-1-vdc.qcow2',
      ),
    });
    const purged = await site.run(['purge', 'web-1', '--volume', volume, '--yes']);
    expect(purged).toMatchObject({ code: 0, stdout: expect.stringContaining('it is deleted') });
    const { host } = site.simulator.host('t01');
    const files = host.storage.files().map(([path]) => path.split('/').at(-1));
    expect(files.filter((name) => name?.startsWith('web-1'))).toEqual(['web-1-vda.qcow2', 'web-1-vdc.qcow2']);
  });

  it('come back with their data by a revert', async () => {
    await reconcile('Two disks again', withDisks);
    expect((await site.run(['volumes'])).stdout).toContain('no volume is kept');
  });
});
