import { createHash } from 'node:crypto';

/** The namespace of our version 5 UUIDs. Changing it would make every VM a stranger. */
const NAMESPACE = 'b7d1c9a4-52e6-4f0b-9a7e-6d3c0f8e2b15';

/** The UUID of a VM: version 5 of `CLUSTER/NAME`, so that it is the same on every run and every host. */
export function vmUuid(cluster: string, name: string): string {
  const bytes = createHash('sha1')
    .update(Buffer.from(NAMESPACE.replaceAll('-', ''), 'hex'))
    .update(`${cluster}/${name}`)
    .digest()
    .subarray(0, 16);
  bytes.writeUInt8((bytes.readUInt8(6) & 0x0f) | 0x50, 6);
  bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | 0x80, 8);
  const hex = bytes.toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}

/**
 * A MAC address of a VM, in lower case: QEMU's prefix and 24 bits of SHA-256. `salt` is 0 unless that address is
 * taken; then 1, 2, ... give others.
 */
export function macAddress(cluster: string, name: string, nicIndex: number, salt: number): string {
  const hash = createHash('sha256').update(`${cluster}/${name}/${nicIndex}/${salt}`).digest();
  const tail = [...hash.subarray(0, 3)].map((byte) => byte.toString(16).padStart(2, '0'));
  return ['52', '54', '00', ...tail].join(':');
}
