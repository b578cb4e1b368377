import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { OperatorError } from '../src/errors.ts';
import { createLogger, type LogLevel } from '../src/log.ts';

const CANARY = 'cAnArY-8f3a91';

/** Any characters below U+2100: controls, separators and marks of direction are among them. */
const anyText = fc.string({
  unit: fc.integer({ min: 0, max: 0x2100 }).map((code) => String.fromCodePoint(code)),
});

function capture({ isTTY, level }: { isTTY: boolean; level: LogLevel } = { isTTY: false, level: 'trace' }) {
  const lines: string[] = [];
  const log = createLogger({ level, destination: { isTTY, write: (text) => lines.push(text) } });
  return { log, lines, record: (): Record<string, unknown> => JSON.parse(lines.at(-1) ?? '') };
}

describe('createLogger', () => {
  it('writes one line of JSON with level, time and the fields', () => {
    const { log, lines, record } = capture();
    log.child({ revision: 'abc' }).info({ vm: 'web', host: 'kvm-a' }, 'applied');
    expect(lines.join('')).toMatch(/^[^\n]+\n$/);
    expect(record()).toEqual({
      level: 'info',
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
      revision: 'abc',
      vm: 'web',
      host: 'kvm-a',
      msg: 'applied',
    });
  });

  it('leaves out what is below its level', () => {
    const { log, lines } = capture({ isTTY: false, level: 'warn' });
    log.info('not said');
    expect(lines).toEqual([]);
  });

  it('keeps code, context and the chain of causes of an error', () => {
    const { log, record } = capture();
    const root = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' });
    const err = new OperatorError('E_SSH_UNREACHABLE', 'kvm-a: no answer', {
      cause: root,
      context: { host: 'kvm-a' },
    });
    log.warn({ err }, 'host unreachable');
    expect(record()['err']).toEqual({
      type: 'OperatorError',
      code: 'E_SSH_UNREACHABLE',
      message: 'kvm-a: no answer',
      context: { host: 'kvm-a' },
      cause: { type: 'Error', code: 'ECONNREFUSED', message: 'connect ECONNREFUSED' },
    });
  });

  it('keeps the stack of an error without a code, which is a bug', () => {
    const { log, record } = capture();
    log.error({ err: new TypeError('x is not a function') }, 'pass failed');
    expect(record()['err']).toMatchObject({
      type: 'TypeError',
      stack: expect.stringContaining('log.test.ts'),
    });
  });

  it.each([
    { name: 'a string', thrown: 'no' },
    { name: 'undefined', thrown: undefined },
    { name: 'an object', thrown: { token: CANARY } },
    { name: 'an error that is its own cause', thrown: selfCaused() },
    { name: 'many errors at once', thrown: new AggregateError([new Error('a'), new Error('b')], 'both') },
  ])('survives $name that was thrown', ({ thrown }) => {
    const { log, lines } = capture();
    log.error({ err: thrown }, 'pass failed');
    expect(lines).toHaveLength(1);
    expect(lines.join('')).not.toContain(CANARY);
  });
});

function selfCaused(): Error {
  const error = new Error('round');
  error.cause = error;
  return error;
}

describe('redaction', () => {
  const pem = `-----BEGIN OPENSSH PRIVATE KEY-----\n${CANARY}\n-----END OPENSSH PRIVATE KEY-----`;
  const texts = [
    `fatal: unable to access 'https://x-access-token:${CANARY}@git.example/r.git/'`,
    `https://${CANARY}@git.example/r.git`,
    `ssh://git:${CANARY}@git.example/r.git`,
    pem,
    `-----BEGIN RSA PRIVATE KEY-----\n${CANARY} and then it was cut`,
    `Authorization: Basic ${CANARY}`,
    `sent bearer ${CANARY}`,
    `ghp_${CANARY.replaceAll('-', '')}`,
    `password=${CANARY}&x=1`,
    `{"password": "${CANARY}"}`,
    `GET /?access_token=${CANARY}`,
  ];

  it.each(texts)('takes the secret out of a message, a field and an error: %s', (text) => {
    const { log, lines } = capture();
    log.info({ field: text, deep: { list: [{ text }] } }, text);
    log.child({ bound: text }).info('bound');
    log.error({
      err: new Error('outer', { cause: new OperatorError('E_GIT_REMOTE', text, { context: { text } }) }),
    });
    log.error(new Error(text));
    expect(lines).toHaveLength(4);
    expect(lines.join('')).not.toContain(CANARY.replaceAll('-', ''));
    expect(lines.join('')).not.toContain(CANARY);
  });

  it.each([
    'password',
    'webhookSecret',
    'token',
    'access_token',
    'privateKey',
    'passphrase',
    'userData',
    'Set-Cookie',
  ])('blanks the field %s wherever it stands and whatever it holds', (key) => {
    const { log, lines } = capture();
    log.info({ [key]: CANARY, a: { b: [{ [key]: { inner: [CANARY] } }] } }, 'read');
    log.child({ [key]: CANARY }).info('read');
    expect(lines.join('')).not.toContain(CANARY);
    expect(lines.join('')).toContain('***');
  });

  it('leaves the names of files with secrets in them, and flags, as they are', () => {
    const { log, record } = capture();
    log.info(
      { tokenFile: '/etc/kvm-gitops/token', key: '/etc/kvm-gitops/id', webhookSecret: false },
      'config',
    );
    expect(record()).toMatchObject({
      tokenFile: '/etc/kvm-gitops/token',
      key: '/etc/kvm-gitops/id',
      webhookSecret: false,
    });
  });

  it('redacts for a terminal too', () => {
    const { log, lines } = capture({ isTTY: true, level: 'trace' });
    for (const text of texts) log.error({ err: new Error(text), text }, text);
    expect(lines.join('')).not.toContain(CANARY);
  });

  it('always writes whole records, whatever the text is', () => {
    fc.assert(
      fc.property(anyText, fc.jsonValue(), (text, value) => {
        const { log, lines, record } = capture();
        log.info({ text, value }, text);
        expect(lines).toHaveLength(1);
        expect(record()).toHaveProperty('level', 'info');
      }),
    );
  });
});
