import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import type { Knowledge } from '../core/adopt-entry.ts';
import { ipv4 } from '../core/fields.ts';
import { formatIssue } from '../core/issue.ts';
import { readManifest } from '../core/read-manifest.ts';
import { errorMessage, OperatorError } from '../errors.ts';

/** What people say of VMs, by name: manifests of old, and over them `VM=IP` from the command line. */
export async function readKnowledge({
  from = [],
  address = [],
}: {
  readonly from?: readonly string[];
  readonly address?: readonly string[];
}): Promise<ReadonlyMap<string, Knowledge>> {
  const known = new Map<string, Knowledge>();
  for (const path of from) for (const [name, one] of await readOldManifest(path)) known.set(name, one);
  for (const text of address) {
    const [name = '', ip = ''] = text.split('=');
    if (name === '' || !ipv4().safeParse(ip).success)
      throw new OperatorError('E_USAGE', `--address ${text}: expected VM=IP, such as web-1=10.77.0.11`);
    known.set(name, { ...known.get(name), ipaddress: ip });
  }
  return known;
}

/** Only names, addresses and host names count: what else is wrong in it is no matter. */
async function readOldManifest(path: string): Promise<[string, Knowledge][]> {
  const { vms, issues } = readManifest({ path: basename(path), content: await readText(path) });
  if (vms.length === 0) {
    const [first] = issues;
    throw new OperatorError('E_USAGE', `--from ${path}: ${first ? formatIssue(first) : 'it declares no VM'}`);
  }
  return vms.flatMap(({ sound: { name, ipaddress, hostname } }) =>
    name === undefined ? [] : [[name, { ...(ipaddress && { ipaddress }), ...(hostname && { hostname }) }]],
  );
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw new OperatorError('E_USAGE', `--from ${path}: ${errorMessage(error)}`, { cause: error });
  }
}
