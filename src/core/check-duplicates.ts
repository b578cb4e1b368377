import type { Issue } from './issue.ts';
import { type Place, placeOf } from './located.ts';
import { issueAt } from './parse-file.ts';
import { type DeclaredVm, vmLabel } from './read-manifest.ts';
import { hostnameOf } from './resolve-vm.ts';

/** Something that only one VM may have. */
interface Claim {
  readonly what: 'name' | 'uuid' | 'hostname' | 'ipaddress' | 'mac';
  readonly value: string;
  readonly file: string;
  readonly place: Place;
  readonly vm: string;
}

/** What two VMs claim for themselves. The later one, by file and line, gets the issue, which names the earlier one. */
export function checkDuplicates(vms: readonly DeclaredVm[]): Issue[] {
  const first = new Map<string, Claim>();
  const issues: Issue[] = [];
  for (const claim of vms.flatMap(claimsOf)) {
    const key = `${claim.what} ${claim.value}`;
    const earlier = first.get(key);
    if (earlier === undefined) first.set(key, claim);
    else if (!followsFromName(claim, earlier)) issues.push(duplicate(claim, earlier));
  }
  return issues;
}

function claimsOf({ file, node, sound }: DeclaredVm): Claim[] {
  const { name, uuid, ipaddress } = sound;
  const hostname = name === undefined ? sound.hostname : hostnameOf({ name, hostname: sound.hostname });
  const vm = vmLabel(node);
  const claim = (
    what: Claim['what'],
    value: string | undefined,
    path: readonly (string | number)[] = [what],
  ): Claim[] => (value === undefined ? [] : [{ what, value, file, vm, place: placeOf(node, path) }]);
  const cards = (sound.networks ?? []).flatMap(({ mac }, index) =>
    claim('mac', mac?.toLowerCase(), ['networks', index, 'mac']),
  );
  return [
    ...claim('name', name),
    ...claim('uuid', uuid?.toLowerCase()),
    ...claim('hostname', hostname?.toLowerCase()),
    ...claim('ipaddress', ipaddress),
    ...claim('mac', sound.mac?.toLowerCase()),
    ...cards,
  ];
}

/** Where hostnames come from equal names, the names are the mistake. */
function followsFromName(claim: Claim, earlier: Claim): boolean {
  return claim.what === 'hostname' && claim.vm === earlier.vm && claim.value === claim.vm;
}

function duplicate(claim: Claim, earlier: Claim): Issue {
  const other = `${earlier.file}:${earlier.place.line}`;
  const message =
    claim.what === 'name'
      ? `name: a VM "${claim.value}" is declared in ${other} already`
      : `${claim.what} of ${claim.vm}: ${claim.value} is that of ${earlier.vm} in ${other} already`;
  return issueAt(claim.file, claim.place, message);
}
