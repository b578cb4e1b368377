import { once } from 'node:events';
import { loadConfig } from '../config.ts';
import { renderNote } from '../core/note.ts';
import type { Report } from '../core/report.ts';
import { type DemoHosts, labHosts, simulatedHosts } from '../demo/demo-hosts.ts';
import { createSite, type DemoSite } from '../demo/demo-site.ts';
import { createLogger } from '../log.ts';
import type { ProgressEvent } from '../reconcile/progress.ts';
import { startService } from '../service.ts';
import { lockState } from '../state/lock.ts';
import { onBrokenPipe } from './broken-pipe.ts';
import { colors } from './colors.ts';
import { liveProgress } from './live-progress.ts';
import { type GlobalOptions, print } from './options.ts';
import { planText } from './plan-text.ts';
import { abortOnSignals } from './session.ts';

interface DemoOptions extends GlobalOptions {
  readonly lab?: boolean;
}

/** Three hosts, a repository and the operator, in the foreground until Ctrl-C; then nothing of it is left. */
export async function demo({ lab = false }: DemoOptions): Promise<number> {
  const unheard = new AbortController();
  onBrokenPipe(() => unheard.abort());
  const stop = AbortSignal.any([abortOnSignals(), unheard.signal]);
  print(lab ? 'Starting three real hosts ...' : 'Starting three simulated hosts ...');
  const hosts = lab ? await labHosts() : await simulatedHosts();
  try {
    const site = await createSite(hosts);
    try {
      await showAround(hosts, site, stop);
    } finally {
      await site.remove();
    }
  } finally {
    await hosts.stop();
  }
  print('\nNothing is left running.');
  return 0;
}

async function showAround(hosts: DemoHosts, site: DemoSite, stop: AbortSignal): Promise<void> {
  print(`${hosts.description}\n`);
  const config = loadConfig(site.config);
  const shown = createShow(site);
  // The commands that are tried beside it ask this operator, as they would ask any.
  const lock = await lockState(config.stateDir);
  try {
    const service = await startService(config, {
      log: createLogger({ level: config.logLevel }),
      onProgress: shown,
    });
    try {
      if (!stop.aborted) await once(stop, 'abort');
      print('\nStopping ...');
    } finally {
      await service.stop();
    }
  } finally {
    await lock.release();
  }
}

/** Prints each pass that does something, as it happens; after the first one, what to try next. */
function createShow(site: DemoSite): (event: ProgressEvent) => void {
  const live = liveProgress(process.stdout, colors);
  let first = true;
  return (event) => {
    if (event.kind === 'planned' && event.plan.steps.length + event.plan.held.length > 0) {
      print(`${colors.bold('plan')} for ${event.revision.sha.slice(0, 12)} ${event.revision.subject}\n`);
      print(
        `${planText({ plan: event.plan, observed: { hosts: new Map() }, pendingRestart: [] }, colors)}\n`,
      );
    }
    live(event);
    if (event.kind !== 'recorded' || !isWorthShowing(event.report)) return;
    print(`\n${colors.bold('the note on the commit')}\n${indent(humanPart(event.report))}`);
    if (first) print(nextSteps(site));
    first = false;
  };
}

function isWorthShowing({ steps, status }: Report): boolean {
  return steps.length > 0 || status !== 'applied';
}

function humanPart(report: Report): string {
  return renderNote([report]).split('\n\n{')[0] ?? '';
}

function indent(text: string): string {
  return text.replace(/^(?=.)/gm, '    ');
}

function nextSteps({ clone, config }: DemoSite): string {
  return `
${colors.bold('Try next, in another terminal')}; what happens shows here:

  cd ${clone}
  git rm -q manifests/web.yaml && git commit -qm 'Remove the web servers' && git push -q
  git revert --no-edit HEAD && git push -q      ${colors.dim('# they are back, with their disks')}
  git pull -q && git log                        ${colors.dim('# each commit with its note')}

${colors.bold('and in this clone of kvm-gitops')}

  export KVM_GITOPS_CONFIG=${config}
  npm run -s kvm-gitops -- status
  npm run -s kvm-gitops -- capacity
  npm run -s kvm-gitops -- plan

Ctrl-C ends it all.`;
}
