import { type Command, Option } from 'commander';
import type { Exiting } from './proposal-commands.ts';

/** Adds the commands by which people tell the operator something beside git. */
export function addControlCommands(program: Command, exiting: Exiting): void {
  const json = new Option('--json', 'print JSON instead of text');

  program
    .command('confirm')
    .description('let guarded removals happen')
    .argument('<hash>', 'the hash that the plan or the note shows')
    .addHelpText('after', '\nExample:\n  $ kvm-gitops confirm 3f9c0d2a7b11')
    .action(
      exiting(async (hash: string, _: unknown, self: Command) =>
        (await import('./confirm.ts')).confirm(hash, self.optsWithGlobals()),
      ),
    );

  program
    .command('suspend')
    .description('have the operator leave a host, a VM or everything alone for a while')
    .argument('[target]', 'HOST or HOST/VM')
    .option('--all', 'everything')
    .requiredOption('--reason <text>', 'why, for those who meet it in plan, status and note')
    .option('--for <span>', 'for so long: 90m, 2h, 3d (without --for and --until: 24h)')
    .option('--until <time>', 'until then: 2026-11-25T18:00, in the time of this machine; or with a zone')
    .addOption(json)
    .addHelpText(
      'after',
      `
It is in force at once: a step that is begun is finished, and no other begins. The operator goes on
looking, planning and reporting. Suspended again, it has the new reason and end.

Examples:
  $ kvm-gitops suspend t01 --reason 'new disks' --for 2h
  $ kvm-gitops suspend t01/web-1 --reason 'vendor looks at it' --until 2026-11-25T18:00
  $ kvm-gitops suspend --all --reason 'core switch is replaced' --for 30m`,
    )
    .action(
      exiting(async (target: string | undefined, _: unknown, self: Command) =>
        (await import('./suspend.ts')).suspend(target, self.optsWithGlobals()),
      ),
    );

  program
    .command('resume')
    .description('end a suspension before its time')
    .argument('[target]', 'HOST or HOST/VM, as it was suspended')
    .option('--all', 'all that is suspended')
    .addOption(json)
    .addHelpText('after', '\nExamples:\n  $ kvm-gitops resume t01\n  $ kvm-gitops resume --all')
    .action(
      exiting(async (target: string | undefined, _: unknown, self: Command) =>
        (await import('./suspend.ts')).resume(target, self.optsWithGlobals()),
      ),
    );
}
