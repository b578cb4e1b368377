/** How dnsmasq is dealt with; from operator.yaml. */
export interface NamesSettings {
  /** Of our files, on dnsmasq's machine. */
  readonly folder: string;
  readonly process:
    | { readonly kind: 'pidFile'; readonly path: string }
    | { readonly kind: 'unit'; readonly name: string };
  /** Run what needs root by `sudo -n`. */
  readonly sudo: boolean;
  /** Of the network whose leases are released; undefined: the one that has the address. */
  readonly interface: string | undefined;
  /** Where its DNS is asked; undefined: where its configuration says. */
  readonly dns: DnsServer | 'off' | undefined;
}

export interface DnsServer {
  readonly address: string;
  readonly port: number;
}

/** Our files in the folder. */
export function pathsIn(folder: string) {
  return {
    dhcpHosts: `${folder}/dhcp-hosts`,
    hosts: `${folder}/hosts`,
    /** What dnsmasq was told to read, where its DNS cannot be asked. */
    told: `${folder}/.told`,
  } as const;
}
