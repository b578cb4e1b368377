import { OperatorError } from '../../errors.ts';

const MAGIC = 0x514649fb;
const CLUSTER_BITS = { min: 9, max: 21 } as const;
/** The header of version 2; that of version 3 says itself how long it is. */
const HEADER_2_BYTES = 72;
const NAME_MAX_BYTES = 1023;

/** A first cluster is never larger. */
export const CLUSTER_MAX_BYTES = 2 ** CLUSTER_BITS.max;

/**
 * The first cluster of a qcow2 overlay, given its first bytes, with another file behind it; undefined where that is behind
 * it already. The name stands behind the header's extensions, where nothing else may. E_COPY says why it cannot be done.
 */
export function withBackingFile(head: Buffer, path: string): Buffer | undefined {
  const cluster = firstCluster(head);
  const at = Number(cluster.readBigUInt64BE(8));
  const end = at + cluster.readUInt32BE(16);
  if (at === 0) throw refused('it has no backing file');
  if (end > cluster.length) throw refused('the name of its backing file is outside of its first cluster');
  if (cluster.toString('utf8', at, end) === path) return undefined;

  const name = Buffer.from(path);
  const free = endOfExtensions(cluster, at);
  if (name.length === 0 || name.length > NAME_MAX_BYTES)
    throw refused(`a name of ${name.length} bytes is not between 1 and ${NAME_MAX_BYTES} bytes long`);
  if (free + name.length > cluster.length)
    throw refused(`a name of ${name.length} bytes does not fit into its first cluster`);
  const patched = Buffer.from(cluster).fill(0, free, Math.max(end, free));
  name.copy(patched, free);
  patched.writeBigUInt64BE(BigInt(free), 8);
  patched.writeUInt32BE(name.length, 16);
  return patched;
}

function firstCluster(head: Buffer): Buffer {
  if (head.length < HEADER_2_BYTES || head.readUInt32BE(0) !== MAGIC) throw refused('it is not a qcow2 file');
  const version = head.readUInt32BE(4);
  if (version !== 2 && version !== 3) throw refused(`it has version ${version} of the format`);
  const bits = head.readUInt32BE(20);
  if (bits < CLUSTER_BITS.min || bits > CLUSTER_BITS.max)
    throw refused('its cluster size is not a valid one');
  if (head.length < 2 ** bits) throw refused('it ends within its first cluster');
  return head.subarray(0, 2 ** bits);
}

/** The extensions end with one of type 0, or where the name begins. */
function endOfExtensions(cluster: Buffer, nameAt: number): number {
  let at = cluster.readUInt32BE(4) === 2 ? HEADER_2_BYTES : cluster.readUInt32BE(100);
  while (at + 8 <= nameAt) {
    const [type, length] = [cluster.readUInt32BE(at), cluster.readUInt32BE(at + 4)];
    at += 8 + length + (-length & 7);
    if (type === 0) break;
  }
  if (at > nameAt) throw refused('its header extensions reach into the name of its backing file');
  return at;
}

function refused(reason: string): OperatorError {
  return new OperatorError('E_COPY', `the backing file of the copy cannot be written into it: ${reason}`);
}
