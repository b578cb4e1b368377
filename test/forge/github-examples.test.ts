import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { describe, expect, it } from 'vitest';
import { FORGES } from '../../src/forge/forges.ts';
import { hmac, NOW, SECRET } from './deliveries.ts';

interface Example {
  readonly name: string;
  readonly examples: readonly Record<string, unknown>[];
}

const require = createRequire(import.meta.url);
const path = require.resolve('@octokit/webhooks-examples');
const EVENTS: readonly Example[] = JSON.parse(readFileSync(path, 'utf8'));

describe('payloads that GitHub has sent', () => {
  it('are those of more than fifty kinds of event', () => {
    expect(EVENTS.length).toBeGreaterThan(50);
  });

  it.each(EVENTS)('$name: is authentic, and only a push names a ref', ({ name, examples }) => {
    for (const payload of examples) {
      const body = Buffer.from(JSON.stringify(payload));
      const headers = { 'x-github-event': name, 'x-hub-signature-256': `sha256=${hmac(body)}` };
      const delivery = { headers, body };
      expect(FORGES.github.isAuthentic(delivery, SECRET, NOW)).toBe(true);
      expect(FORGES.github.read(delivery)).toEqual(
        name === 'push'
          ? { kind: 'push', refs: [payload['ref']] }
          : name === 'ping'
            ? { kind: 'ping' }
            : name === 'pull_request'
              ? { kind: 'pull' }
              : { kind: 'other', event: name },
      );
    }
  });
});
