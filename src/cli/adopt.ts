import { writeFile } from 'node:fs/promises';
import { type Adoption, adoptionOf, type Candidate, type Whereabouts } from '../core/adopt-entry.ts';
import { renderManifest } from '../core/adopt-manifest.ts';
import { checkDuplicates } from '../core/check-duplicates.ts';
import { parseDomain } from '../core/domain-definition.ts';
import { arrangeFleet } from '../core/fleet.ts';
import { formatIssue } from '../core/issue.ts';
import type { KnownHost } from '../core/observed.ts';
import { imagesOf } from '../core/plan-adopt.ts';
import { readManifest } from '../core/read-manifest.ts';
import { OperatorError } from '../errors.ts';
import { guestAddresses } from '../hosts/guest-addresses.ts';
import type { Operator } from '../operator.ts';
import { questionFor } from '../reconcile/reconcile.ts';
import { readKnowledge } from './adopt-knowledge.ts';
import { adoptionText } from './adopt-text.ts';
import { colors } from './colors.ts';
import { type GlobalOptions, print } from './options.ts';
import { abortOnSignals, withOperator } from './session.ts';

interface AdoptOptions extends GlobalOptions {
  /** Manifests of old, for addresses and host names. */
  readonly from?: readonly string[];
  /** `VM=IP`, each. */
  readonly address?: readonly string[];
  readonly output?: string;
}

/** A VM with what became of it. */
export type Adopted = readonly [Candidate, Adoption];

/**
 * Writes the manifest of VMs that exist; the hosts are only looked at. Exit code 1: some of them cannot be expressed, or
 * lack something that only a person knows.
 */
export function adopt(host: string, names: readonly string[], options: AdoptOptions): Promise<number> {
  return withOperator(options, async ({ operator }) => {
    const known = await readKnowledge(options);
    const { candidates, where } = await lookAt(operator, host, abortOnSignals());
    const adopted = choose(candidates, names, host).map((candidate): Adopted => {
      return [candidate, adoptionOf(candidate, known.get(candidate.vm.name) ?? {}, where)];
    });
    process.stderr.write(adoptionText(host, adopted, colors));
    const specs = adopted.flatMap(([, one]) => (one.kind === 'entry' ? [one.spec] : []));
    const wasNamed = new Set(names);
    const left = adopted.filter(
      ([{ vm }, { kind }]) => kind === 'refused' || (kind === 'marked' && wasNamed.has(vm.name)),
    );
    if (specs.length === 0) return left.length === 0 ? 0 : 1;
    const path = options.output ?? 'manifests/adopted.yaml';
    const content = renderManifest(host, specs, options.output);
    const mistakes = checkDuplicates(readManifest({ path, content }).vms);
    for (const issue of mistakes) process.stderr.write(`${colors.red(formatIssue(issue))}\n`);
    await put(content, options.output);
    return left.length === 0 && mistakes.length === 0 ? 0 : 1;
  });
}

/** Never over a file that is there: somebody may have worked on it. */
async function put(content: string, output: string | undefined): Promise<void> {
  if (output === undefined) return print(content.trimEnd());
  try {
    await writeFile(output, content, { flag: 'wx' });
  } catch (error) {
    const { code } = error instanceof Error ? (error as NodeJS.ErrnoException) : {};
    if (code === 'EEXIST')
      throw new OperatorError('E_USAGE', `${output} is there already: name another file`);
    throw new OperatorError('E_USAGE', `${output} cannot be written`, { cause: error });
  }
  process.stderr.write(`written to ${output}: look at it, then commit it\n`);
}

async function lookAt(operator: Operator, host: string, signal: AbortSignal) {
  const { deps, links } = operator;
  const link = links.get(host);
  if (link === undefined) throw new OperatorError('E_USAGE', `${host} is not in operator.yaml`);
  const desired = await desiredNow(operator, signal);
  const question = desired === undefined ? { offline: new Set<string>(), volumes: [] } : questionFor(desired);
  const observed = await deps.hosts.observe(question, signal);
  const found = observed.hosts.get(host);
  if (found?.kind !== 'known')
    throw new OperatorError(
      'E_SSH_UNREACHABLE',
      `${host} is unknown: ${found?.reason ?? 'it was not asked'}`,
    );
  const { libvirt } = await link.get(signal);
  const candidates = await Promise.all(found.vms.map((vm) => readCandidate(libvirt, vm)));
  const fleet = arrangeFleet(desired?.cluster ?? '', observed);
  const where: Whereabouts = { host: found, fleet, images: desired === undefined ? [] : imagesOf(desired) };
  return { candidates: candidates.toSorted((a, b) => (a.vm.name < b.vm.name ? -1 : 1)), where };
}

type HostLibvirt = Parameters<typeof guestAddresses>[0];

async function readCandidate(libvirt: HostLibvirt, vm: KnownHost['vms'][number]): Promise<Candidate> {
  const domain = await libvirt.domains.byUuid(vm.uuid);
  const definition = parseDomain(await libvirt.domains.xml(domain, { inactive: true }));
  const addresses =
    vm.power === 'running' && vm.mark === undefined
      ? await guestAddresses(
          libvirt,
          domain,
          definition.nics.map(({ mac }) => mac),
        )
      : [];
  return { vm, definition, addresses };
}

/** What git asks for, as far as it can be read: the repository may be empty still. */
async function desiredNow({ deps, mirror }: Operator, signal: AbortSignal) {
  try {
    const built = deps.build(await mirror.fetch(signal));
    return built.ok ? built.desired : undefined;
  } catch (error) {
    if (error instanceof OperatorError && error.code.startsWith('E_GIT_')) return undefined;
    throw error;
  }
}

function choose(
  candidates: readonly Candidate[],
  names: readonly string[],
  host: string,
): readonly Candidate[] {
  if (names.length === 0) return candidates;
  const there = new Map(candidates.map((candidate) => [candidate.vm.name, candidate]));
  return [...new Set(names)].map((name) => {
    const candidate = there.get(name);
    if (candidate === undefined) throw new OperatorError('E_USAGE', `${host} has no VM ${name}`);
    return candidate;
  });
}
