#!/usr/bin/env node
import { Argument, Command, Option } from 'commander';
import { endAtBrokenPipe } from './cli/broken-pipe.ts';
import { addControlCommands } from './cli/control-commands.ts';
import { reportFatal } from './cli/fatal.ts';
import { addProposalCommands } from './cli/proposal-commands.ts';
import { version } from './version.ts';

const program = new Command('kvm-gitops')
  .description('Makes the VMs of plain KVM hosts what a git repository says they are.')
  .version(version)
  .option(
    '-c, --config <file>',
    'operator.yaml (else $KVM_GITOPS_CONFIG, ./operator.yaml, /etc/kvm-gitops/operator.yaml)',
  )
  .showHelpAfterError('(see kvm-gitops help <command>)')
  .addHelpText(
    'after',
    `
Exit codes: 0 done or nothing to do, 1 failed or refused, 2 \`plan\` found changes, \`drift\` drift.
Results go to stdout, logs to stderr.`,
  );

const json = new Option('--json', 'print JSON instead of text');

command('run', 'watch the repository and keep the hosts as it says, until SIGTERM', 'kvm-gitops run').action(
  exiting(async (_: unknown, self: Command) => (await import('./cli/run.ts')).run(self.optsWithGlobals())),
);

command('reconcile', 'have a pass made now, and wait for what comes of it', 'kvm-gitops reconcile')
  .option('--once', 'do it here and exit; without it a running operator does it, where there is one')
  .option('--timeout <seconds>', 'how long to wait for a running operator', '600')
  .addOption(json)
  .action(
    exiting(async (_: unknown, self: Command) =>
      (await import('./cli/reconcile.ts')).reconcileNow(self.optsWithGlobals()),
    ),
  );

command(
  'validate',
  'check the manifests in a folder, without asking any host',
  'kvm-gitops validate ../manifests-repo',
)
  .argument('[dir]', 'folder of the manifests repository', '.')
  .option('--revision <rev>', 'check this commit of the repository instead of its files')
  .addOption(json)
  .action(
    exiting(async (dir: string, _: unknown, self: Command) =>
      (await import('./cli/validate.ts')).validate(dir, self.optsWithGlobals()),
    ),
  );

command('plan', 'show what would be done, and do nothing', 'kvm-gitops plan --revision main~1')
  .argument('[dir]', 'plan the files of this folder instead of a commit')
  .option('--revision <rev>', 'plan this commit of the branch instead of its newest')
  .option('--base <branch>', 'plan what --head would be once it is merged into this branch')
  .option('--head <branch>', 'a branch, a ref by its full name, or a commit, as in a pull request')
  .option('--repository <dir>', 'take both from this repository instead of the remote')
  .option('--offline', 'ask no host: only check what the merge says')
  .addOption(
    new Option('--format <format>', 'how it is shown').choices(['text', 'markdown', 'json']).default('text'),
  )
  .option(
    '--link-base <url>',
    'markdown: where the files are shown, as https://git.example.com/vms/blob/main',
  )
  .option('--max-bytes <count>', 'markdown: how long it may be', '60000')
  .addOption(json)
  .action(
    exiting(async (dir: string | undefined, _: unknown, self: Command) =>
      (await import('./cli/plan.ts')).plan(dir, self.optsWithGlobals()),
    ),
  );

command(
  'adopt',
  'write the manifest of VMs that exist on a host, and are not ours yet',
  'kvm-gitops adopt t01 --from old-manifest.json --output manifests/t01.yaml',
)
  .argument('<host>', 'a host of operator.yaml')
  .argument('[vm...]', 'only these VMs')
  .option('--from <file...>', 'manifests of old, for addresses and host names')
  .option('--address <vm=ip...>', 'the address of a VM')
  .option('--output <file>', 'write this file instead of stdout; .json makes it JSON')
  .action(
    exiting(async (host: string, vms: string[], _: unknown, self: Command) =>
      (await import('./cli/adopt.ts')).adopt(host, vms, self.optsWithGlobals()),
    ),
  );

command('drift', 'show where hosts are otherwise than git says', 'kvm-gitops drift')
  .argument('[dir]', 'compare with the files of this folder instead of the newest commit')
  .addOption(json)
  .action(
    exiting(async (dir: string | undefined, _: unknown, self: Command) =>
      (await import('./cli/drift.ts')).drift(dir, self.optsWithGlobals()),
    ),
  );

command('status', 'show the last pass, the hosts and their VMs', 'kvm-gitops status')
  .addOption(json)
  .action(
    exiting(async (_: unknown, self: Command) =>
      (await import('./cli/status.ts')).status(self.optsWithGlobals()),
    ),
  );

command('log', 'show the commits with their notes; of a VM, what each did to it', 'kvm-gitops log web-1 -n 5')
  .argument('[vm]', 'only the commits that changed this VM, and what was done on its host')
  .option('-n, --limit <count>', 'how many commits', '10')
  .addOption(json)
  .action(
    exiting(async (vm: string | undefined, _: unknown, self: Command) =>
      (await import('./cli/log.ts')).log(vm, self.optsWithGlobals()),
    ),
  );

command('capacity', 'show what each host has, uses, and would use', 'kvm-gitops capacity')
  .argument('[dir]', 'count the manifests of this folder instead of the newest commit')
  .option('--n+1', 'also say whether the VMs of each host would fit on the others')
  .addOption(json)
  .action(
    exiting(async (dir: string | undefined, _: unknown, self: Command) =>
      (await import('./cli/capacity.ts')).capacity(dir, self.optsWithGlobals()),
    ),
  );

addProposalCommands(program, exiting);

addControlCommands(program, exiting);

command(
  'purge',
  'delete a removed VM and its disks now instead of on its date',
  'kvm-gitops purge web-1 --yes',
)
  .argument('<vm>', 'its name')
  .option('--volume <name>', 'delete this kept volume of the VM instead, as `volumes` names it')
  .option('--yes', 'do not ask')
  .action(
    exiting(async (vm: string, options: { readonly volume?: string }, self: Command) =>
      options.volume === undefined
        ? (await import('./cli/purge.ts')).purge(vm, self.optsWithGlobals())
        : (await import('./cli/purge-volume.ts')).purgeVolume(vm, options.volume, self.optsWithGlobals()),
    ),
  );

command(
  'volumes',
  'show the volumes of disks that left the manifests, and until when they are kept',
  'kvm-gitops volumes',
)
  .addOption(json)
  .action(
    exiting(async (_: unknown, self: Command) =>
      (await import('./cli/volumes.ts')).volumes(self.optsWithGlobals()),
    ),
  );

const images = command('images', 'show base images, where they are and what uses them', 'kvm-gitops images')
  .addOption(json)
  .action(
    exiting(async (_: unknown, self: Command) =>
      (await import('./cli/images.ts')).images(self.optsWithGlobals()),
    ),
  );
sub(
  images,
  'prune',
  'delete base images that the operator brought and that nothing names or uses',
  'kvm-gitops images prune --host t01 --yes',
)
  .argument('[volume]', 'only this one')
  .option('--host <host>', 'only on this host')
  .option('--yes', 'delete them; without it they are only shown')
  .action(
    exiting(async (volume: string | undefined, _: unknown, self: Command) =>
      (await import('./cli/images.ts')).prune(volume, self.optsWithGlobals()),
    ),
  );
const snapshots = program
  .command('snapshot')
  .description("snapshots of a VM's disks: list, create, delete (merge), revert")
  .argument('<vm>', 'its name')
  .addArgument(new Argument('<action>', 'what to do').choices(['list', 'create', 'delete', 'revert']))
  .argument('[name]', 'name of the snapshot; for all but list')
  .option('--stop', 'revert: shut the VM down first')
  .option('--discard-newer', 'revert: lose the snapshots that are newer')
  .option('--yes', 'revert: do not ask')
  .option('--timeout <seconds>', 'how long to wait for a running operator', '600')
  .addOption(json)
  .addHelpText(
    'after',
    '\nExamples:\n  $ kvm-gitops snapshot web-1 create before-upgrade\n  $ kvm-gitops snapshot web-1 list\n  $ kvm-gitops snapshot web-1 revert before-upgrade --stop\n  $ kvm-gitops snapshot web-1 delete before-upgrade',
  );
snapshots.action(
  exiting(async () => {
    const [vm = '', action = '', name] = snapshots.args;
    return (await import('./cli/snapshot.ts')).runSnapshotCommand(
      { vm, action, name },
      snapshots.optsWithGlobals(),
    );
  }),
);

const config = program.command('config').description('look at the configuration');
sub(
  config,
  'check',
  'connect to everything that operator.yaml names and say what works',
  'kvm-gitops config check',
)
  .option('--notify', 'send a test message to every receiver of notifications')
  .addOption(json)
  .action(
    exiting(async (_: unknown, self: Command) =>
      (await import('./cli/config-check.ts')).configCheck(self.optsWithGlobals()),
    ),
  );

const names = command(
  'names',
  'show the names and addresses of VMs and what dnsmasq has of them',
  'kvm-gitops names',
)
  .argument('[dir]', 'the manifests of this folder instead of the newest commit')
  .addOption(json)
  .action(
    exiting(async (dir: string | undefined, _: unknown, self: Command) =>
      (await import('./cli/names.ts')).names(dir, self.optsWithGlobals()),
    ),
  );
sub(
  names,
  'import',
  'say what of an old file of reservations goes into the manifests, and which of its lines can go',
  'kvm-gitops names import /etc/dnsmasq.d/kvm-leases --manifests ../manifests-repo',
)
  .argument('<file>', 'lines of dhcp-host=MAC,IP, as kvm-mgr.sh wrote them')
  .option('--manifests <dir>', 'folder of the manifests repository', '.')
  .addOption(json)
  .action(
    exiting(async (file: string, _: unknown, self: Command) =>
      (await import('./cli/names-import.ts')).namesImport(file, self.optsWithGlobals()),
    ),
  );

const notes = program.command('notes').description('look after the git notes');
sub(notes, 'push', 'write every note again from the journal', 'kvm-gitops notes push').action(
  exiting(async (_: unknown, self: Command) =>
    (await import('./cli/notes-push.ts')).notesPush(self.optsWithGlobals()),
  ),
);

command(
  'schemas',
  'write the JSON Schemas of the manifests for editors',
  'kvm-gitops schemas ../manifests-repo',
)
  .argument('<dir>', 'folder of the manifests repository')
  .action(exiting(async (dir: string) => (await import('./cli/schemas.ts')).schemas(dir)));

command('init', 'write a manifests repository to start from, into an empty folder', 'kvm-gitops init ../vms')
  .argument('<dir>', 'a new or empty folder')
  .action(exiting(async (dir: string) => (await import('./cli/init.ts')).init(dir)));

command('demo', 'three simulated hosts, a repository and the operator, until Ctrl-C', 'kvm-gitops demo')
  .option('--lab', 'real hosts on this machine instead (root on Debian, from a clone)')
  .action(
    exiting(async (_: unknown, self: Command) =>
      (await import('./cli/demo.ts')).demo(self.optsWithGlobals()),
    ),
  );

function command(name: string, description: string, example: string): Command {
  return sub(program, name, description, example);
}

function sub(parent: Command, name: string, description: string, example: string): Command {
  return parent.command(name).description(description).addHelpText('after', `\nExample:\n  $ ${example}`);
}

/** Makes a command's result its exit code. Commands load their code themselves, so that each starts fast. */
function exiting<Args extends unknown[]>(
  run: (...args: Args) => Promise<number>,
): (...args: Args) => Promise<void> {
  return async (...args) => {
    try {
      process.exitCode = await run(...args);
    } catch (error) {
      process.exitCode = reportFatal(error);
    }
  };
}

endAtBrokenPipe();

await program.parseAsync();
