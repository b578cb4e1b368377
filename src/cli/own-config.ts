import { type Config, findConfig, loadConfig } from '../config.ts';
import type { BuildContext } from '../core/build-desired.ts';
import { DEFAULT_LIMITS } from '../git/selection.ts';
import type { Scope } from '../git/snapshot.ts';
import { buildContext } from '../operator.ts';
import type { GlobalOptions } from './options.ts';

/** operator.yaml, for a command that can do without it. */
export function configIfAny({ config }: GlobalOptions): Config | undefined {
  return findConfig(config) === undefined ? undefined : loadConfig(config);
}

/** Without operator.yaml the hosts are those of cluster.yaml. */
export function contextOf(config: Config | undefined): BuildContext {
  return config === undefined ? {} : buildContext(config);
}

/** What of a repository on this machine is manifests. */
export function scopeOf(config: Config | undefined): Scope {
  return { folder: config?.git.path ?? '', limits: DEFAULT_LIMITS };
}
