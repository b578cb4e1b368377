import * as fc from 'fast-check';
import { buildDesired } from '../../src/core/build-desired.ts';
import { formatIssue, type Issue } from '../../src/core/issue.ts';
import { renderNote } from '../../src/core/note.ts';
import { FORGE_NAMES, type ForgeName } from '../../src/forge/forges.ts';
import { report, revision, stepResult } from '../builders.ts';
import { PUSHES, SENDERS } from '../forge/deliveries.ts';
import { SECRET, startServer } from '../http/fake-operator.ts';
import { CLUSTER_YAML, MANIFEST_YAML } from './samples.ts';
import { anyCluster, anyManifest } from './texts.ts';

/** Makes one property, with what it needs to run. */
type Make = () => fc.IRawProperty<unknown>;

/** What must hold whatever people send or push. Each throws where it does not. */
export const PROPERTIES: Readonly<Record<string, Make>> = {
  'a manifest is taken, or refused with a place in a file': () =>
    fc.property(anyManifest, fc.constantFrom('yaml', 'json'), (content, kind) =>
      checkBuilt({ 'cluster.yaml': CLUSTER_YAML, [`manifests/any.${kind}`]: content }),
    ),
  'cluster.yaml is taken, or refused with a place in a file': () =>
    fc.property(anyCluster, (content) =>
      checkBuilt({ 'cluster.yaml': content, 'manifests/web.yaml': MANIFEST_YAML }),
    ),
  'a note is lines of plain text and one of JSON, whatever is in a report': () =>
    fc.property(anyText, anyText, anyText, (subject, reason, message) => checkNote(subject, reason, message)),
  'a delivery that does not prove who sent it is answered 401': () => {
    const servers = serversOfEachForge();
    return fc.asyncProperty(forge, anyBody, headersOf, async (name, body, headers) => {
      const { code, asks } = await deliver(servers[name], body, headers);
      if (code !== 401) throw new Error(`answered ${code} where nothing was proved`);
      if (asks > 0) throw new Error('asked for a pass where nothing was proved');
    });
  },
  'a delivery that proves who sent it is taken, or refused as malformed': () => {
    const servers = serversOfEachForge();
    return fc.asyncProperty(forge, anyBody, headersOf, async (name, body, others) => {
      const right = SENDERS[name](body, 'push', SECRET);
      const { code } = await deliver(servers[name], body, { ...withoutProofs(others), ...right });
      if (code !== 200 && code !== 202 && code !== 400) throw new Error(`answered ${code} to what is proved`);
    });
  },
};

const anyText = fc.string({ unit: 'binary', maxLength: 80 });

function checkBuilt(files: Readonly<Record<string, string>>): void {
  const built = buildDesired(Object.entries(files).map(([path, content]) => ({ path, content })));
  if (built.ok) return;
  if (built.issues.length === 0) throw new Error('refused without saying why');
  for (const issue of built.issues) checkIssue(issue, files[issue.file]);
}

function checkIssue(issue: Issue, content: string | undefined): void {
  const { line, column, message } = issue;
  const said = formatIssue(issue);
  if (content === undefined) throw new Error(`of no file: ${said}`);
  if (message.trim() === '') throw new Error(`says nothing: ${said}`);
  if (line === undefined || column === undefined) throw new Error(`without a place: ${said}`);
  const lines = content.split(/\r\n|\r|\n/);
  if (!(line >= 1 && line <= lines.length && column >= 1))
    throw new Error(`a place that is not there: ${said}`);
  if (said.length > 3_000) throw new Error(`longer than anybody reads: ${said.length} characters`);
}

function checkNote(subject: string, reason: string, message: string): void {
  const failed = stepResult({ outcome: 'failed', subject, reason, error: { code: 'E_HOST_IO', message } });
  const facts = {
    revision: revision('a'.repeat(40), { subject }),
    steps: [stepResult({ remark: reason }), failed],
  };
  const text = renderNote([report({ ...facts, warnings: [message] })]);
  if (/[^\P{Cc}\n]/u.test(text)) throw new Error('holds what a terminal would obey');
  const last: unknown = JSON.parse(text.trimEnd().split('\n').at(-1) ?? '');
  if (typeof last !== 'object' || last === null || !('v' in last))
    throw new Error('does not end with its JSON');
}

const forge = fc.constantFrom(...FORGE_NAMES);

const anyBody = fc.oneof(
  fc.json({ maxDepth: 4 }),
  fc.string({ unit: 'binary', maxLength: 200 }),
  fc.constantFrom(
    '',
    'null',
    '[]',
    '{}',
    'payload=',
    'payload=%7B%7D',
    '['.repeat(20_000),
    '{"a":'.repeat(9_000),
  ),
  fc
    .tuple(
      forge,
      fc.constantFrom('refs/heads/main', 'refs/tags/v1', ''),
      fc.nat(120),
      fc.string({ maxLength: 5 }),
    )
    .map(([name, ref, at, instead]) => {
      const body = JSON.stringify(PUSHES[name](ref));
      return at > 100 ? body : body.slice(0, at) + instead + body.slice(at + instead.length);
    }),
);

const MORE_NAMES =
  'x-signature x-hub-signature x-forgejo-signature x-forgejo-event webhook-id webhook-timestamp webhook-signature ' +
  'content-type content-encoding accept x-forwarded-for';
/** Every header that any forge sends. */
const NAMES = [
  ...new Set([...FORGE_NAMES.flatMap((name) => Object.keys(SENDERS[name](''))), ...MORE_NAMES.split(' ')]),
];

/** As of somebody who does not know the secret, but knows how all forges sign. */
const headersOf = fc
  .array(
    fc.tuple(
      fc.constantFrom(...NAMES),
      fc.oneof(
        fc.stringMatching(/^[\x20-\x7e]{0,80}$/),
        fc.constantFrom(
          'push',
          'ping',
          'Push Hook',
          'repo:push',
          'repo:refs_changed',
          'sha256=',
          'v1,',
          'gzip',
        ),
        fc
          .tuple(forge, fc.constantFrom('', 'another', 'sha256='), fc.string({ maxLength: 20 }))
          .map(([name, secret, body]) => Object.values(SENDERS[name](body, 'push', secret)).at(-1) ?? ''),
      ),
    ),
    { maxLength: 8 },
  )
  .map((pairs) => Object.fromEntries(pairs));

function withoutProofs(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !/signature|token/.test(name)));
}

type Server = ReturnType<typeof startServer>;

/** By a clock in which no two deliveries are near each other: nobody is told to wait. */
function serversOfEachForge(): Readonly<Record<ForgeName, Server>> {
  let now = 0;
  const nowMs = () => (now += 3_600_000);
  const start = (name: ForgeName) => startServer({ nowMs, webhook: { forge: name, secret: () => SECRET } });
  return {
    generic: start('generic'),
    github: start('github'),
    gitlab: start('gitlab'),
    gitea: start('gitea'),
    bitbucket: start('bitbucket'),
    'bitbucket-server': start('bitbucket-server'),
  };
}

async function deliver(
  { app, asks, logged }: Server,
  body: string,
  headers: Readonly<Record<string, string>>,
) {
  asks.length = 0;
  logged.length = 0;
  const answer = await app.inject({ method: 'POST', url: '/webhook', payload: body, headers });
  if (logged.join('').includes(SECRET)) throw new Error('the secret is in the log');
  if (answer.payload.includes(SECRET)) throw new Error('the secret is in the answer');
  return { code: answer.statusCode, asks: asks.length };
}
