import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect, it, onTestFinished, vi } from 'vitest';
import { startCli } from './site.ts';

vi.setConfig({ testTimeout: 60_000 });

it.each(['SIGINT', 'SIGTERM'] as const)(
  'demo makes the VMs, says what to try, and at %s leaves nothing behind',
  async (signal) => {
    const TMPDIR = mkdtempSync(join(tmpdir(), 'kvm-gitops-demo-test-'));
    onTestFinished(() => rmSync(TMPDIR, { recursive: true, force: true }));
    const demo = startCli(['demo'], { TMPDIR });
    await demo.says('Ctrl-C ends it all.');
    const text = demo.stdout();
    expect(text).toContain('6 to create, 6 to start');
    expect(text.match(/^done /gm)).toHaveLength(12);
    expect(text).toMatch(/the note on the commit\n {4}applied/);
    const clone = /^ *cd (\S+)/m.exec(text)?.[1] ?? '';
    expect(existsSync(join(clone, 'manifests', 'web.yaml'))).toBe(true);
    const beside = startCli(['reconcile'], {
      TMPDIR,
      KVM_GITOPS_CONFIG: join(dirname(clone), 'operator.yaml'),
    });
    expect((await beside.finished).stdout).toMatch(/^applied[^]*orders:\n.* asked for a pass\n$/);
    demo.child.kill(signal);
    // As npm and tsx do: they pass on what the terminal has sent already.
    demo.child.kill(signal);
    const { code, stdout, stderr } = await demo.finished;
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(/Stopping \.\.\.\n\nNothing is left running\.\n$/);
    expect(readdirSync(TMPDIR).filter((name) => name.startsWith('kvm-gitops'))).toEqual([]);
  },
);

it('demo leaves nothing behind where Ctrl-C ends who reads it too', async () => {
  const TMPDIR = mkdtempSync(join(tmpdir(), 'kvm-gitops-demo-test-'));
  onTestFinished(() => rmSync(TMPDIR, { recursive: true, force: true }));
  const demo = startCli(['demo'], { TMPDIR });
  await demo.says('Ctrl-C ends it all.');
  demo.child.stdout?.destroy();
  demo.child.kill('SIGINT');
  const { code, stderr } = await demo.finished;
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(readdirSync(TMPDIR).filter((name) => name.startsWith('kvm-gitops'))).toEqual([]);
});
