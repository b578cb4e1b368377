import { createHash } from 'node:crypto';
import type { Secret } from './secret.ts';
import type { UserData } from './user-data.ts';

/** The disk of a seed: `numDisks` never comes so far. */
export const SEED_TARGET = 'vdz';
/** Of every seed, so that another content always fits. */
export const SEED_BYTES = 2 * 1024 * 1024;

/** A NoCloud seed: the small disk from which cloud-init learns what its guest is to be. */
export interface DesiredSeed {
  readonly pool: string;
  /** `NAME-seed.img` */
  readonly volume: string;
  /** The name that cloud-init gives the guest; absent: it leaves the name alone. */
  readonly hostname?: string;
  /** Some of it may be meant for few eyes, though its secrets are references. */
  readonly content: Secret<SeedContent>;
  /** The VM itself asks for it, not only the defaults or the image. */
  readonly explicit: boolean;
}

/** A seed, and the VM that it is for. */
export interface SeedOrder {
  readonly uuid: string;
  /** Of the first network card. */
  readonly mac: string;
  readonly seed: DesiredSeed;
}

export interface SeedContent {
  readonly user?: string;
  readonly sshKeys: readonly string[];
  /** Absent: by DHCP. */
  readonly network?: StaticNetwork;
  readonly userData: UserData;
  /** A file of the repository that sops has encrypted; it lies over `userData`. */
  readonly sops?: { readonly path: string; readonly content: string };
}

export interface StaticNetwork {
  readonly address: string;
  readonly prefix: number;
  readonly gateway?: string;
  readonly dns: readonly string[];
}

/**
 * Tells one seed from another, by what git says: a secret is only a reference there, so nothing can be guessed from it. The first
 * MAC address counts where the network is static.
 */
export function seedFingerprint({ hostname, content }: DesiredSeed, mac: string | undefined): string {
  const said = content.reveal();
  const text = JSON.stringify({ v: 1, hostname, ...said, ...(said.network && { mac }) });
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}
