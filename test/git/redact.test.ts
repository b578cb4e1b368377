import { expect, it } from 'vitest';
import { redact } from '../../src/git/redact.ts';

it.each([
  [
    "fatal: unable to access 'https://me:secret@host/x.git/'",
    "fatal: unable to access 'https://***@host/x.git/'",
  ],
  ['https://secret@host/x', 'https://***@host/x'],
  ['https://me:se@cret@host/x', 'https://***@host/x'],
  ['ssh://git:secret@host/x', 'ssh://git:***@host/x'],
  ['ssh://git@host/x', 'ssh://git@host/x'],
  ['git@host:x', 'git@host:x'],
  ['the token secret, and secret again', 'the token ***, and *** again'],
])('makes %j %j', (text, clean) => {
  expect(redact(text, ['secret'])).toBe(clean.replaceAll('secret', '***'));
});

it('is not put off by an empty secret', () => {
  expect(redact('plain', [''])).toBe('plain');
});
