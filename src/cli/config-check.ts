import { access, constants, mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { HostConfig } from '../config/hosts.ts';
import { type Config, loadConfig } from '../config.ts';
import { errorMessage, OperatorError } from '../errors.ts';
import { endpointOf } from '../hosts/ssh-target.ts';
import { createLogger } from '../log.ts';
import { checkNames } from '../names/check-names.ts';
import { createOperator, type Operator } from '../operator.ts';
import { type Check, checkReceivers } from './check-receivers.ts';
import { checkTrust } from './check-trust.ts';
import { colors } from './colors.ts';
import { type GlobalOptions, print, printJson } from './options.ts';
import { abortOnSignals } from './session.ts';

interface CheckOptions extends GlobalOptions {
  /** Receivers of notifications are sent a test. */
  readonly notify?: boolean;
}

/**
 * Connects to everything that operator.yaml names and says what works. Exit code 1: something does not. It works in a
 * scratch folder: the state folder is the operator's, and whoever checks may be another user.
 */
export async function configCheck(options: CheckOptions): Promise<number> {
  const config = loadConfig(options.config);
  const signal = abortOnSignals();
  const scratch = await mkdtemp(join(tmpdir(), 'kvm-gitops-check-'));
  const operator = await createOperator(
    { ...config, stateDir: scratch },
    { log: createLogger({ level: 'silent' }) },
  );
  try {
    const hosts = [...config.hosts.values()].map((host) => checkHost(operator, host, signal));
    const checks = await Promise.all([checkState(config), checkGit(config, operator, signal), ...hosts]);
    if (operator.dnsmasq !== undefined)
      checks.push(...(await checkNames(operator.dnsmasq.machine, operator.dnsmasq.settings)));
    checks.push(...(await checkTrust(config, operator.mirror)));
    checks.push(checkWebhook(config), ...(await checkReceivers(config, options.notify === true)));
    if (options.json) printJson(checks);
    else for (const check of checks) print(line(check));
    return checks.every(({ ok }) => ok) ? 0 : 1;
  } finally {
    await operator.close();
    await rm(scratch, { recursive: true, force: true });
  }
}

/** The state folder, or where it would be made. */
async function checkState({ stateDir }: Config): Promise<Check> {
  const what = `state folder ${stateDir}`;
  try {
    const parent = await nearestFolder(stateDir);
    await access(parent, constants.W_OK);
    return { what, ok: true, detail: parent === stateDir ? 'can be written' : `can be made in ${parent}` };
  } catch (error) {
    return { what, ok: false, detail: errorMessage(error) };
  }
}

async function nearestFolder(path: string): Promise<string> {
  const found = await stat(path).catch((error: unknown) => {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (found === undefined) return nearestFolder(dirname(path));
  if (!found.isDirectory()) throw new OperatorError('E_CONFIG_INVALID', `${path} is not a folder`);
  return path;
}

async function checkGit(config: Config, operator: Operator, signal: AbortSignal): Promise<Check> {
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

function checkWebhook({ http, webhook }: Config): Check {
  const { host, port } = http.listen;
  const detail =
    webhook === undefined
      ? 'no webhook: webhook.secret is not set'
      : `webhook on, for forge ${webhook.forge}`;
  return { what: `http ${host}:${port}`, ok: true, detail };
}

function line({ what, ok, detail }: Check): string {
  return `${ok ? colors.green('ok    ') : colors.red('failed')}  ${what}\n        ${detail}`;
}
