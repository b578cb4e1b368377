/** What a simulated host is made of. */
export interface HostFacts {
  readonly name: string;
  readonly uuid: string;
  readonly cpus: number;
  readonly memoryMiB: number;
  /** `qemu`: a host without hardware virtualisation. */
  readonly virtType: 'kvm' | 'qemu';
  /** As libvirt names it. */
  readonly arch: 'x86_64' | 'aarch64';
  readonly emulator: string;
  /** The bridges that there are; undefined: any. */
  readonly bridges?: readonly string[] | undefined;
  /** Bytes of the file system that holds all pools. */
  readonly diskBytes: number;
}
