import type { HostConfig } from '../config/hosts.ts';
import { errorMessage } from '../errors.ts';
import { endpointOf } from '../hosts/ssh-target.ts';
import type { Operator } from '../operator.ts';
import { colors } from './colors.ts';
import { type GlobalOptions, print, printJson } from './options.ts';
import { abortOnSignals, type Session, withOperator } from './session.ts';

/** One thing that was tried. */
interface Check {
  readonly what: string;
  readonly ok: boolean;
  readonly detail: string;
}

/** Connects to everything that operator.yaml names and says what works. Exit code 1: something does not. */
export function configCheck(options: GlobalOptions): Promise<number> {
  return withOperator(options, async (session) => {
    const signal = abortOnSignals();
    const checks = await Promise.all([
      checkGit(session, signal),
      ...[...session.config.hosts.values()].map((host) => checkHost(session.operator, host, signal)),
    ]);
    checks.push(checkWebhook(session));
    if (options.json) printJson(checks);
    else for (const check of checks) print(line(check));
    return checks.every(({ ok }) => ok) ? 0 : 1;
  });
}

async function checkGit({ config, operator }: Session, signal: AbortSignal): Promise<Check> {
  const what = `git ${config.git.branch} of ${config.git.remote}`;
  try {
    const { revision, files, skipped } = await operator.mirror.fetch(signal);
    const notes = config.git.notes ? `notes go to ${config.git.notesRef}` : 'notes are off';
    const left = skipped.length === 0 ? '' : `, ${skipped.length} links or submodules not read`;
    return { what, ok: true, detail: `${revision.sha.slice(0, 12)}, ${files.length} files${left}; ${notes}` };
  } catch (error) {
    return { what, ok: false, detail: errorMessage(error) };
  }
}

async function checkHost({ links }: Operator, host: HostConfig, signal: AbortSignal): Promise<Check> {
  const what = `host ${host.name} (${host.target.user}@${endpointOf(host.target)})`;
  const link = links.get(host.name);
  try {
    if (link === undefined) throw new Error('it is not in the config');
    const { libvirt, facts } = await link.get(signal);
    const [version, hypervisor, domains] = await Promise.all([
      libvirt.node.libvirtVersion(),
      libvirt.node.hypervisorVersion(),
      libvirt.domains.list(),
    ]);
    const way = link.state.kind === 'up' ? `by ${link.state.way} (${link.state.detail})` : '';
    const detail =
      `libvirt ${version} ${way}, QEMU ${hypervisor}, ${facts.virtType}, ${facts.cpus} cpus, ` +
      `${(facts.memoryMiB / 1024).toFixed(1)} GiB, ${domains.length} VMs`;
    return { what, ok: true, detail };
  } catch (error) {
    return { what, ok: false, detail: errorMessage(error) };
  }
}

function checkWebhook({ config }: Session): Check {
  const { host, port } = config.http.listen;
  const secret =
    config.http.webhookSecret === undefined ? 'no webhook: http.webhookSecret is not set' : 'webhook on';
  return { what: `http ${host}:${port}`, ok: true, detail: secret };
}

function line({ what, ok, detail }: Check): string {
  return `${ok ? colors.green('ok    ') : colors.red('failed')}  ${what}\n        ${detail}`;
}
