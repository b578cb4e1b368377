import { createHmac } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { freePort } from '../../src/demo/free-port.ts';
import { labAvailable } from './available.ts';
import { disorder, onlyOne } from './host-view.ts';
import { declare } from './manifest-edits.ts';
import { BASE_IMAGE, type Site, useSite, WEBHOOK_SECRET } from './operator-fixture.ts';
import { waitFor } from './wait.ts';

const REFUSED_NOTES = 'the remote refuses git notes';

describe.skipIf(!labAvailable().ok)('a running operator, each test going on where the last one ended', () => {
  const site = useSite((remote) => remote.replace('cluster.yaml', 'power: on', 'power: off'));

  it('1: SIGTERM in the middle of an apply ends the steps that are begun, no other, and exits with 0', async () => {
    const { lab, remote, start, configure, applied, look } = site();
    configure({ vmsPerHost: 1 });
    const vms = lab.hosts.flatMap(({ name: host }, index) =>
      [1, 2, 3, 4].map((n) => ({ host, name: `s-${host}-${n}`, address: 10 * index + n, dataDisks: 3 })),
    );
    declare(remote, 'many.yaml', vms);
    const sha = await remote.push('First machines, and twelve more');
    await start();
    const { operator } = site();
    const begun = async () => (await look()).some((host) => host.vms.length > 0);
    await waitFor('the first VM', begun, { timeoutMs: 30_000, intervalMs: 1 });
    expect(await operator.stop()).toBe(0);

    const hosts = await look();
    const finished = hosts.flatMap((host) => host.vms).filter(({ mark }) => mark?.state === 'ready');
    expect(finished.length).toBeGreaterThan(0);
    expect(finished.length).toBeLessThan(18);
    expect(disorder(hosts, [BASE_IMAGE])).toEqual([]);

    await start();
    const { summary } = await applied(sha);
    expect(summary.done).toEqual({ create: 18 });
    expect(disorder(await look(), [BASE_IMAGE])).toEqual([]);
  });

  it('2: SIGUSR1 asks for a pass', async () => {
    site().operator.signal('SIGUSR1');
    expect(await passAskedBy(site(), 'SIGUSR1')).toBe('applied');
  });

  it('3: a signed webhook asks for a pass, another one is turned away', async () => {
    const { url } = site();
    const body = JSON.stringify({ ref: 'refs/heads/main' });
    const post = (secret: string) => {
      const signature = createHmac('sha256', secret).update(body).digest('hex');
      const headers = { 'content-type': 'application/json', 'x-hub-signature-256': `sha256=${signature}` };
      return fetch(`${url}/webhook`, { method: 'POST', body, headers });
    };
    expect((await post('guessed')).status).toBe(401);
    expect((await site().operator.status()).lastReport?.trigger).toBe('SIGUSR1');
    expect((await post(WEBHOOK_SECRET)).status).toBe(202);
    expect(await passAskedBy(site(), 'webhook')).toBe('applied');
  });

  it('4: a changed operator.yaml takes effect at once, a broken one leaves the old one in force', async () => {
    const { configure, config, url, operator, remote, applied } = site();
    configure({ httpPort: await freePort() });
    await waitFor('the new port', () => operator.status(), { timeoutMs: 30_000 });
    await expect(fetch(`${url}/healthz`)).rejects.toThrow('fetch failed');

    writeFileSync(config, 'hosts: [');
    const complaint = () => operator.log().includes('is not valid: the old one stays in force');
    await waitFor('a complaint', complaint, { timeoutMs: 30_000 });
    declare(remote, 'after.yaml', [{ host: 't01', name: 'after', address: 61 }]);
    const { summary } = await applied(await remote.push('After a broken operator.yaml'));
    expect(summary.done).toEqual({ create: 1 });
    configure({});
  });

  it('5: a remote that refuses notes disturbs nothing, and `notes push` writes them all later', async () => {
    const { remote, operator, cli, look } = site();
    await remote.setNotesRefused(true);
    const shas: string[] = [];
    for (const name of ['quiet-1', 'quiet-2']) {
      declare(remote, `${name}.yaml`, [{ host: 't02', name, address: 70 + shas.length }]);
      shas.push(await remote.push(`Add ${name}`));
      const isApplied = async () => {
        const { lastReport } = await operator.status();
        return lastReport?.revision.sha === shas.at(-1) && lastReport?.status === 'applied';
      };
      await waitFor(`${name} to be made`, isApplied, { timeoutMs: 30_000 });
      expect(onlyOne(await look(), name).mark?.state).toBe('ready');
    }
    const refused = () => operator.log().includes(REFUSED_NOTES);
    await waitFor('a word on the notes', refused, { timeoutMs: 30_000 });
    await waitFor('both notes to wait', async () => (await operator.status()).notesPending === 2, {
      timeoutMs: 30_000,
    });
    expect(operator.log().split(REFUSED_NOTES)).toHaveLength(2);
    for (const sha of shas) expect(await remote.note(sha)).toBeUndefined();
    const inVain = await cli('notes', 'push');
    expect(inVain).toMatchObject({ code: 1 });
    expect(inVain.stdout).toMatch(/^\d of 4 notes are not at the remote: .*hidden ref/);

    await remote.setNotesRefused(false);
    expect(await cli('notes', 'push')).toMatchObject({ code: 0 });
    for (const sha of await remote.commits()) {
      expect((await remote.note(sha))?.summary).toMatchObject({ commit: sha, status: 'applied' });
    }
    expect(await operator.stop()).toBe(0);
  });
});

/** How the pass ended that was asked for so. */
async function passAskedBy({ operator }: Site, trigger: string): Promise<string> {
  const asked = async () => {
    const { lastReport } = await operator.status();
    return lastReport?.trigger === trigger && lastReport.status;
  };
  return waitFor(`a pass asked for by ${trigger}`, asked, { timeoutMs: 30_000 });
}
