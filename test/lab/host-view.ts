import { readdirSync } from 'node:fs';
import { parseDomain } from '../../src/core/domain-definition.ts';
import type { Mark } from '../../src/core/mark.ts';
import type { LabHost } from './host.ts';

/** One VM as virsh on its host shows it. */
export interface SeenVm {
  readonly host: string;
  readonly name: string;
  readonly uuid: string;
  readonly running: boolean;
  readonly autostart: boolean;
  readonly macs: readonly string[];
  readonly mark?: Mark;
  /** Its definition. */
  readonly xml: string;
}

/** One host, asked past its network, so that a host whose cable is out answers too. */
export interface SeenHost {
  readonly name: string;
  readonly vms: readonly SeenVm[];
  /** Files in its pool, whether libvirt knows of them or not. */
  readonly files: readonly string[];
}

/** Looks at a host with virsh: two calls, whatever the number of VMs. */
export async function lookAt(host: LabHost): Promise<SeenHost> {
  const lists = ['list --all --uuid', 'list --all --autostart --uuid', 'list --state-running --uuid'];
  const answer = await host.virsh(lists.join('; echo =; '));
  const [all = [], autostart = [], running = []] = answer.split('=').map(words);
  const files = readdirSync(host.poolDir).toSorted();
  if (all.length === 0) return { name: host.name, vms: [], files };
  const definitions = await host.virsh(all.map((uuid) => `dumpxml --inactive ${uuid}`).join('; '));
  const vms = (definitions.match(/<domain [^]*?<\/domain>/g) ?? []).map((xml) => {
    const { name, uuid, macs, mark } = parseDomain(xml);
    return {
      host: host.name,
      name,
      uuid,
      running: running.includes(uuid),
      autostart: autostart.includes(uuid),
      macs,
      ...(mark && { mark }),
      xml,
    };
  });
  if (vms.length !== all.length)
    throw new Error(`${host.name}: asked for ${all.length} VMs, saw ${vms.length}`);
  return { name: host.name, vms: vms.toSorted((a, b) => (a.name < b.name ? -1 : 1)), files };
}

function words(text: string): readonly string[] {
  return text.split(/\s+/).filter((word) => word !== '');
}

/** The one VM of that name; throws where there is none, or a second copy of it anywhere. */
export function onlyOne(hosts: readonly SeenHost[], name: string): SeenVm {
  const found = hosts.flatMap(({ vms }) => vms.filter((vm) => vm.name === name));
  const [vm] = found;
  if (vm === undefined || found.length > 1) throw new Error(`${found.length} VMs are called ${name}`);
  return vm;
}

/**
 * What is wrong with the disks and copies of our VMs: volumes that no mark names, marks whose volumes are missing, VMs
 * that are not finished, one VM in two places. Empty: nothing is.
 */
export function disorder(hosts: readonly SeenHost[], known: readonly string[]): readonly string[] {
  const all = hosts.flatMap(({ vms }) => vms);
  // What a move leaves behind is kept till its date.
  const live = all.filter(({ mark }) => mark?.removed?.movedTo === undefined);
  const twice = (of: (vm: SeenVm) => string) =>
    live.filter((vm) => live.some((other) => other !== vm && of(other) === of(vm)));
  return [
    ...hosts.flatMap((host) => volumeDisorder(host, known)),
    ...twice(({ name }) => name).map((vm) => `${vm.name} is on ${vm.host}, and elsewhere`),
    ...twice(({ uuid }) => uuid).map((vm) => `${vm.uuid} is on ${vm.host}, and elsewhere`),
    ...all
      .filter(({ mark }) => ['building', 'migrating', 'arriving'].includes(mark?.state ?? ''))
      .map((vm) => `${vm.name} is ${vm.mark?.state}: it is not finished`),
  ];
}

function volumeDisorder({ name, vms, files }: SeenHost, known: readonly string[]): readonly string[] {
  const named = vms.flatMap(({ mark }) => mark?.volumes ?? []).map((volume) => volume.name);
  return [
    ...files
      .filter((file) => ![...named, ...known].includes(file))
      .map((file) => `${file} on ${name} is an orphan`),
    ...named.filter((volume) => !files.includes(volume)).map((volume) => `${volume} on ${name} is missing`),
  ];
}
