import type { Command } from 'commander';

/** Makes a command's result its exit code. */
export type Exiting = <Args extends unknown[]>(
  run: (...args: Args) => Promise<number>,
) => (...args: Args) => Promise<void>;

/** Adds the commands that propose other hosts for VMs. */
export function addProposalCommands(program: Command, exiting: Exiting): void {
  proposal(program, 'drain', {
    description: 'propose where the VMs of a host go, as a patch',
    examples: [
      'kvm-gitops drain t01 > drain.patch && git apply drain.patch',
      'kvm-gitops drain t01 --branch drain-t01 --clone ~/manifests',
    ],
  })
    .argument('<host>', 'a host of operator.yaml')
    .action(
      exiting(async (host: string, _: unknown, self: Command) =>
        (await import('./drain.ts')).drain(host, self.optsWithGlobals()),
      ),
    );

  proposal(program, 'place', {
    description: 'propose hosts for VMs under `host: auto`, as a patch',
    examples: ['kvm-gitops place --dir . | git apply', 'kvm-gitops place web-3 --dir .'],
  })
    .argument('[vm]', 'only this one')
    .action(
      exiting(async (vm: string | undefined, _: unknown, self: Command) =>
        (await import('./place.ts')).place(vm, self.optsWithGlobals()),
      ),
    );

  proposal(program, 'rebalance', {
    description: 'propose moves that even out the hosts, as a patch',
    examples: ['kvm-gitops rebalance --max 3 | git apply'],
  })
    .option('--max <moves>', 'at most so many moves', '5')
    .option('--min-gain <points>', 'only moves that lower the spread by so many percentage points', '1')
    .addHelpText(
      'after',
      `
The spread is how unevenly hosts are used: the standard deviation of the shares of memory that are
promised, in percentage points, plus that of vCPUs. A move after which fewer VMs would be without a
place if a host were lost comes before any other.`,
    )
    .action(
      exiting(async (_: unknown, self: Command) =>
        (await import('./rebalance.ts')).rebalance(self.optsWithGlobals()),
      ),
    );
}

/** A command that proposes a change of the manifests. */
function proposal(
  program: Command,
  name: string,
  { description, examples }: { readonly description: string; readonly examples: readonly string[] },
): Command {
  return program
    .command(name)
    .description(description)
    .option('--dir <folder>', 'read the manifests of this folder instead of the newest commit')
    .option(
      '--branch <name>',
      'commit it to a new branch of a clone instead of writing a patch; never pushes',
    )
    .option('--clone <folder>', 'the clone for --branch', '.')
    .option('--json', 'print JSON instead of text')
    .addHelpText('after', `\nExamples:\n${examples.map((example) => `  $ ${example}`).join('\n')}`);
}
