import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';

export type Availability = { readonly ok: true } | { readonly ok: false; readonly reason: string };

/**
 * Whether this machine can run a lab. KVM_GITOPS_LAB=off says no; KVM_GITOPS_LAB=require throws where it cannot, so
 * that a missing lab is never taken for a passed test.
 */
export function labAvailable(wish: string | undefined = process.env['KVM_GITOPS_LAB']): Availability {
  const reason = wish === 'off' ? 'KVM_GITOPS_LAB=off' : obstacle();
  if (reason === undefined) return { ok: true };
  if (wish === 'require') throw new Error(`KVM_GITOPS_LAB=require, but there can be no lab here: ${reason}`);
  return { ok: false, reason };
}

function obstacle(): string | undefined {
  if (process.platform !== 'linux') return `real hosts need Linux, this is ${process.platform}`;
  if (process.arch !== 'x64') return `the test guest is for x64, this is ${process.arch}`;
  if (process.getuid?.() !== 0) return 'real hosts need root';
  if (!existsSync('/etc/debian_version') || !existsSync('/usr/bin/apt-get'))
    return 'their packages are those of Debian';
  return namespaceObstacle();
}

/** In many containers root may not make namespaces or mounts. */
function namespaceObstacle(): string | undefined {
  const { error, status, stderr } = spawnSync(
    'unshare',
    ['--mount', '--net', '--pid', '--fork', 'mount', '-t', 'tmpfs', 'none', '/mnt'],
    {
      encoding: 'utf8',
    },
  );
  if (status === 0) return undefined;
  return `this root may not make namespaces: ${error?.message ?? stderr.trim()}`;
}
