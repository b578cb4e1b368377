import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { CLUSTER_YAML, manifest, useSite } from './site.ts';

const site = useSite();
const WEB = 'manifests/web.yaml';
const TOKEN = 'canary-token-4711';

let told: string[] = [];
let isBroken = false;
const forge = createServer((request, response) => {
  let text = '';
  request.setEncoding('utf8').on('data', (more: string) => (text += more));
  request.on('end', () => {
    const { state, description }: { state?: string; description?: string } = JSON.parse(text);
    const sha = request.url?.split('/').at(-1)?.slice(0, 7);
    if (request.headers.authorization === `Bearer ${TOKEN}`) told.push(`${sha} ${state}: ${description}`);
    response.writeHead(isBroken ? 503 : 201).end('{}');
  });
});
let config = '';

beforeAll(async () => {
  forge.listen(0, '127.0.0.1');
  await once(forge, 'listening');
  const address = forge.address();
  if (address === null || typeof address === 'string') throw new Error('the forge does not listen');
  const lines = [
    'commitStatus:',
    '  forge: github',
    `  api: http://127.0.0.1:${address.port}`,
    '  repository: acme/manifests',
    '  token: { env: STATUS_TOKEN }',
  ];
  config = site.configWith((text) => `${text}\n${lines.join('\n')}\n`);
});
afterAll(() => {
  forge.closeAllConnections();
  forge.close();
});

function pass() {
  told = [];
  return site.run(['--config', config, 'reconcile', '--once'], { STATUS_TOKEN: TOKEN });
}

it('shows beside a commit how it stands, from its first step on, and of nothing new it says nothing', async () => {
  const sha = site.commit('First', { 'cluster.yaml': CLUSTER_YAML, [WEB]: manifest('t01', 'web-1') });
  expect((await pass()).code).toBe(0);
  expect(told).toEqual([
    expect.stringMatching(`${sha.slice(0, 7)} pending: applying \\d steps`),
    expect.stringMatching(`${sha.slice(0, 7)} success: applied: .*created 1, started 1`),
  ]);
  expect((await pass()).code).toBe(0);
  expect(told).toEqual([]);
});

it('shows the mistake of a commit that is refused, with its line', async () => {
  const sha = site.commit('Wrong', { [WEB]: manifest('t09', 'web-1') });
  await pass();
  expect(told).toEqual([
    expect.stringContaining(`${sha.slice(0, 7)} failure: refused: ${WEB}:1: host: "t09"`),
  ]);
});

it('does a commit though the forge is broken, says so, and shows the token nowhere', async () => {
  isBroken = true;
  site.commit('Back', { [WEB]: manifest('t01', 'web-1', 'web-2') });
  const running = site.start(['--config', config, 'run'], { STATUS_TOKEN: TOKEN });
  await running.says('the forge cannot be told of commits');
  isBroken = false;
  await running.says('the forge is told of commits again');
  running.child.kill('SIGTERM');
  const { code, stdout, stderr } = await running.finished;
  expect(code).toBe(0);
  expect(site.simulator.host('t01').host.isRunning('web-2')).toBe(true);
  const files = readdirSync(site.state, { recursive: true, withFileTypes: true }).filter((one) =>
    one.isFile(),
  );
  const state = files.map(({ parentPath, name }) => readFileSync(join(parentPath, name), 'latin1'));
  const notes = site.git('ls-remote', 'origin');
  expect([stdout, stderr, notes, ...state].join('\n')).not.toContain(TOKEN);
});
