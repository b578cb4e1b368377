import { readFile } from 'node:fs/promises';
import { buildDesired } from '../core/build-desired.ts';
import { parseConf, reservationsIn } from '../core/dnsmasq-conf.ts';
import { parseHosts, parseReservations } from '../core/dnsmasq-lines.ts';
import { type ImportedLine, importHosts, importReservations } from '../core/import-reservations.ts';
import { formatIssue } from '../core/issue.ts';
import { errorMessage, OperatorError } from '../errors.ts';
import { readFolder } from '../git/folder.ts';
import { colors } from './colors.ts';
import { type GlobalOptions, print, printJson } from './options.ts';
import { configIfAny, contextOf } from './own-config.ts';

interface ImportOptions extends GlobalOptions {
  readonly manifests: string;
}

/**
 * Reads what `kvm-mgr.sh` or a person wrote for dnsmasq, and says what to put into the manifests and which lines can go.
 * Exit code 1: a line says something else than the manifests do.
 */
export async function namesImport(file: string, options: ImportOptions): Promise<number> {
  const text = await readFile(file, 'utf8').catch((cause: unknown) => {
    throw new OperatorError('E_USAGE', `${file} cannot be read: ${errorMessage(cause)}`, { cause });
  });
  const { files } = await readFolder(options.manifests);
  const built = buildDesired(files, contextOf(configIfAny(options)));
  if (!built.ok) {
    for (const issue of built.issues) print(formatIssue(issue));
    return 1;
  }
  const found = readLines(text, file, built.desired.vms);
  if (options.json) printJson({ v: 1, lines: found });
  else print(importText(found, file));
  return found.some(({ kind }) => kind === 'differs') ? 1 : 0;
}

/** A hosts file begins its lines with addresses, one of reservations with MAC addresses, any other has `dhcp-host=`. */
function readLines(text: string, file: string, vms: Parameters<typeof importHosts>[1]): ImportedLine[] {
  const hosts = parseHosts(text, file);
  if (hosts.length > 0) return importHosts(hosts, vms);
  const isConf = /^\s*dhcp-host\s*=/m.test(text);
  const lines = isConf ? reservationsIn(parseConf(text, file)) : parseReservations(text, file);
  return importReservations(lines, vms);
}

function importText(found: readonly ImportedLine[], file: string): string {
  if (found.length === 0) return `${file} has nothing of a VM`;
  const of = (kind: ImportedLine['kind']) => found.filter((one) => one.kind === kind);
  const missing = of('same').flatMap(({ source, vm, mac }) =>
    mac === undefined ? [] : [`${source?.file}:${source?.line}: ${vm}: mac: "${mac}"`],
  );
  return [
    ...section('put into the manifests, so that these VMs keep their MAC addresses', missing),
    ...section(
      'say something else than the manifests: correct one of the two',
      of('differs').map(
        ({ place, line, vm, source, reason }) =>
          `${place}: ${line}; ${vm} (${source?.file}:${source?.line}) has ${reason}`,
      ),
    ),
    ...section(
      'can be deleted once the operator has published its names: it says the same',
      of('same').map(({ place, line, vm }) => `${place}: ${line} (${vm})`),
    ),
    ...section(
      'stay: they are about no VM in git',
      of('foreign').map(({ place, line }) => `${place}: ${line}`),
    ),
  ].join('\n');
}

function section(title: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : [colors.bold(title), ...lines.map((line) => `  ${line}`)];
}
