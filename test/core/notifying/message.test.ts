import { describe, expect, it } from 'vitest';
import { messageText, plain } from '../../../src/core/notifying/message.ts';
import type { Standing } from '../../../src/core/notifying/standing.ts';
import { revision } from '../../builders.ts';

const commit = revision('c0ffee0000000000', { subject: 'Add web', author: 'Ann' });
const since = '2026-03-01T12:00:00.000Z';

describe('the text of a message', () => {
  it.each<{ what: string; notice: Standing; line: string }>([
    {
      what: 'a VM that failed, and the commit that changed it',
      notice: {
        kind: 'failed',
        host: 't01',
        subject: 'web',
        reason: 'create: E_LIBVIRT no space',
        commit,
        since,
      },
      line: 'failed: web on t01: create: E_LIBVIRT no space (changed by c0ffee000000 "Add web", Ann)',
    },
    {
      what: 'a VM that nobody knows who changed',
      notice: { kind: 'held', because: 'guard', host: 't01', subject: 'web', reason: 'remove: 7 VMs', since },
      line: 'held: web on t01: remove: 7 VMs',
    },
    {
      what: 'a VM that is well again',
      notice: { kind: 'recovered', was: 'failed', host: 't01', subject: 'web', reason: 'x', commit, since },
      line: 'recovered: web on t01: no longer failed (changed by c0ffee000000 "Add web", Ann)',
    },
    {
      what: 'a commit that is refused',
      notice: { kind: 'refused', reason: 'manifests/web.yaml:4: no such host', commit, since },
      line: 'refused: c0ffee000000 "Add web", Ann: manifests/web.yaml:4: no such host',
    },
    {
      what: 'a commit for which nothing had to be done',
      notice: { kind: 'applied', reason: '', commit, since },
      line: 'applied: c0ffee000000 "Add web", Ann',
    },
    {
      what: 'a host',
      notice: { kind: 'host-unknown', host: 't01', reason: 'timed out', since },
      line: 'host-unknown: t01: timed out',
    },
    {
      what: 'passes that break',
      notice: { kind: 'failed', reason: 'git is away', since },
      line: 'failed: the operator: git is away',
    },
  ])('says of $what what a person needs', ({ notice, line }) => {
    expect(messageText('lab', [notice]).lines).toEqual([line]);
  });

  it('sums up in its headline, and puts failures first', () => {
    const notices: Standing[] = [
      { kind: 'applied', reason: '', commit, since },
      { kind: 'failed', host: 'a', subject: 'web', reason: 'x', since },
      { kind: 'failed', host: 'a', subject: 'db', reason: 'x', since },
    ];
    const { headline, lines } = messageText('lab', notices);
    expect(headline).toBe('kvm-gitops lab: 2 failed, 1 applied');
    expect(lines[0]).toMatch(/^failed: web/);
  });

  it('names forty of five hundred, and says how many more there are', () => {
    const many = Array.from(
      { length: 500 },
      (_, i): Standing => ({ kind: 'failed', host: 'a', subject: `web-${i}`, reason: 'x', since }),
    );
    const { lines } = messageText('lab', many);
    expect(lines).toHaveLength(41);
    expect(lines.at(-1)).toBe('and 460 more: kvm-gitops status');
  });

  it.each([
    ['line breaks', 'a\r\nSubject: b\u2028c', 'a Subject: b c'],
    ['what a terminal would obey', 'a\u001b[31mb', 'a [31mb'],
    ['what hides or turns text', 'a\u202eb\u200bc\u0000d', 'a b c d'],
  ])('keeps out %s', (_what, text, line) => {
    expect(plain(text)).toBe(line);
  });

  it('cuts what is too long for a chat, never within a letter', () => {
    expect(plain('\u{1f600}'.repeat(500))).toMatch(/^(?:\u{1f600})+…$/u);
  });
});
