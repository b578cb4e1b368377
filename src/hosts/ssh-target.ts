/** How to reach one SSH server; from the operator's config, never from a manifest. */
export interface SshTarget {
  /** The host's name in the config, for messages. */
  readonly name: string;
  /** DNS name or IP address. */
  readonly address: string;
  readonly port: number;
  readonly user: string;
  /** Path of a private key. */
  readonly key?: string | undefined;
  /** Path of a file with the key's passphrase. */
  readonly passphraseFile?: string | undefined;
  /** Path of an ssh-agent's socket. */
  readonly agentSocket?: string | undefined;
  /** Path of the known_hosts file that pins the server's key. */
  readonly knownHosts: string;
  /** While that file is empty the first key is believed, and written into it once the login has succeeded. */
  readonly trustFirst?: boolean | undefined;
  /** For the whole of connecting: TCP, key exchange and authentication. */
  readonly connectTimeoutMs: number;
  /** A probe is sent this often; three without an answer end the connection. */
  readonly keepaliveMs: number;
  /** Reached through this one. */
  readonly jump?: SshTarget | undefined;
}

/** `address:port`, with brackets around an IPv6 address. */
export function endpointOf(target: SshTarget): string {
  return target.address.includes(':')
    ? `[${target.address}]:${target.port}`
    : `${target.address}:${target.port}`;
}
