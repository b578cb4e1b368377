import { type Config, loadConfig } from '../config.ts';
import { type Scope, scopeInWords } from '../core/pause.ts';
import { suspensionInWords } from '../core/suspension.ts';
import { endOfSuspension, reasonOf, scopeOf } from '../core/suspension-wish.ts';
import { openInventory } from '../hosts/inventory.ts';
import { colors } from './colors.ts';
import { type GlobalOptions, print, printJson } from './options.ts';
import { ownControl, requireSameUser, whoAmI } from './own-control.ts';

interface SuspendOptions extends GlobalOptions {
  readonly all?: boolean;
  readonly reason: string;
  readonly for?: string;
  readonly until?: string;
}

/** Has the operator leave something alone for a while: it goes on looking, planning and reporting, and changes nothing there. */
export async function suspend(target: string | undefined, options: SuspendOptions): Promise<number> {
  const config = loadConfig(options.config);
  const scope = scopeOf(target, options.all ?? false, config.hosts);
  const wish = {
    scope,
    who: whoAmI(),
    reason: reasonOf(options.reason),
    until: endOfSuspension(options, new Date()),
  };
  await requireSameUser(config.stateDir);
  const suspension = await ownControl(config).suspend(wish);
  if (options.json) printJson(suspension);
  else print(`${scopeInWords(scope)} is ${suspensionInWords(suspension)}`);
  await warnOfUnseen(config, scope);
  return 0;
}

/** Ends a suspension before its time. */
export async function resume(target: string | undefined, options: SuspendOptions): Promise<number> {
  const config = loadConfig(options.config);
  const scope = scopeOf(target, options.all ?? false, config.hosts);
  await requireSameUser(config.stateDir);
  const control = ownControl(config);
  const lifted = await control.resume(scope, whoAmI());
  const left = await control.suspensions();
  if (options.json) printJson({ resumed: lifted, suspensions: left });
  else {
    print(`resumed ${lifted.map((one) => scopeInWords(one.scope)).join(', ')}`);
    for (const one of left)
      print(colors.yellow(`${scopeInWords(one.scope)} is still ${suspensionInWords(one)}`));
  }
  return 0;
}

/** It stands all the same: it may be for a VM that a commit is about to bring. */
async function warnOfUnseen({ stateDir }: Config, { host, vm }: Scope): Promise<void> {
  if (host === undefined || vm === undefined) return;
  const seen = (await openInventory(stateDir, { readOnly: true })).lastSeen(host);
  if (seen?.includes(vm)) return;
  process.stderr.write(
    `kvm-gitops: no VM of ours called ${vm} was seen on ${host} so far; is the name right?\n`,
  );
}
