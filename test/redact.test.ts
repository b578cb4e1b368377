import { describe, expect, it } from 'vitest';
import { redactText } from '../src/redact.ts';

describe('redactText', () => {
  it.each([
    'ssh://git@git.example/manifests.git',
    'git@git.example:manifests.git',
    'https://git.example/manifests.git',
    'E_SSH_AUTH: key /etc/kvm-gitops/id_ed25519 was refused; set tokenFile',
    'manifests/web.yaml:6:19: memoryGb: expected a number, got "4"',
    "Unexpected token '}' in JSON at position 4",
  ])('leaves what holds no secret as it is: %s', (text) => {
    expect(redactText(text)).toBe(text);
  });

  it.each([
    { text: 'https://token@git.example/r.git', clean: 'https://***@git.example/r.git' },
    { text: 'https://a:b@git.example/r.git', clean: 'https://***@git.example/r.git' },
    { text: 'ssh://git:pw@git.example/r.git', clean: 'ssh://git:***@git.example/r.git' },
    { text: 'Authorization: Basic YTpi', clean: 'Authorization: ***' },
    { text: '?token=abc&ref=main', clean: '?token=***&ref=main' },
  ])('takes out only the secret of $text', ({ text, clean }) => {
    expect(redactText(text)).toBe(clean);
  });

  it.each([
    'a.',
    'a://b',
    'https://',
    '-----BEGIN RSA PRIVATE KEY-----',
    'password: ',
    'authorization ',
    'bearer ',
    ' ',
  ])('takes time in proportion to the length of text of %j', (piece) => {
    const took = (length: number) => {
      const text = `password${piece.repeat(length / piece.length)}`;
      const times = Array.from({ length: 5 }, () => {
        const started = performance.now();
        redactText(text);
        return performance.now() - started;
      });
      return Math.min(...times);
    };
    // In the square of it, 400 times as long.
    expect(took(200_000)).toBeLessThan(100 * (took(10_000) + 1));
  });
});
