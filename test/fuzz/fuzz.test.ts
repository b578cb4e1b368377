import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { buildDesired } from '../../src/core/build-desired.ts';
import { PROPERTIES } from './properties.ts';
import { CLUSTER_YAML, MANIFEST_YAML, validManifest } from './samples.ts';
import { HARD } from './texts.ts';

const SECONDS = 2;

/** `npm run fuzz` tries the same for as long as one likes. */
describe('whatever people push and send', () => {
  it.each(Object.entries(PROPERTIES))('%s', async (_name, make) => {
    const limits = { numRuns: 2_000, interruptAfterTimeLimit: SECONDS * 1000 };
    const found = await fc.check(make(), limits);
    expect(found.failed ? await fc.asyncDefaultReportMessage(found) : 'held').toBe('held');
  });

  it.each([MANIFEST_YAML, JSON.stringify(validManifest())])(
    'starts from a manifest that is right',
    (content) => {
      const files = [
        { path: 'cluster.yaml', content: CLUSTER_YAML },
        { path: 'manifests/any.yaml', content },
      ];
      expect(buildDesired(files)).toMatchObject({ ok: true });
    },
  );
});

describe('a file four times as large', () => {
  /** Other processes on the machine do not count. */
  function cpuMs(content: string): number {
    const before = process.cpuUsage();
    const files = ['manifests/any.yaml', 'manifests/any.json', 'cluster.yaml'].map((path) => ({
      path,
      content,
    }));
    expect(buildDesired(files).ok).toBe(false);
    const { user, system } = process.cpuUsage(before);
    return (user + system) / 1000;
  }

  it.each(Object.entries(HARD))('takes no more than some times as long: %s', (_name, make) => {
    const small = cpuMs(make(8_000));
    // Were it quadratic, it would be 16 times as long; garbage is collected when it likes.
    expect(cpuMs(make(32_000))).toBeLessThan(Math.max(800, 10 * small));
  });
});
