import type { DomainRef } from '../libvirt/protocol/procedure.ts';
import type { Definition } from './definition.ts';
import { wrongState } from './failure.ts';
import type { Guest } from './guest-agent.ts';

/** virDomainState, those that occur here. */
export const STATE = { running: 1, paused: 3, shutoff: 5 } as const;
/** virDomainRunningReason, of a paused domain virDomainPausedReason, where 1 is `user` and 2 `migration`. */
export const RUN_REASON = { booted: 1, migrated: 2, restored: 3, restoredPaused: 2, unpaused: 5 } as const;
/** virDomainPausedReason. */
export const PAUSED_FOR_MIGRATION = 2;
/** virDomainShutoffReason. */
export const OFF_REASON = {
  unknown: 0,
  shutdown: 1,
  destroyed: 2,
  migrated: 4,
  saved: 5,
  failed: 6,
} as const;
/** virDomainModificationImpact. */
export const LIVE = 1;
export const CONFIG = 2;

/** A domain that runs. */
export interface Run {
  readonly id: number;
  /** What it runs with, which is not what the next start will take. */
  definition: Definition;
  readonly state: number;
  readonly reason: number;
  readonly since: number;
  /** Commits of what a disk writes to into what is behind it, by target: they wait for their pivot. */
  readonly commits: Map<string, { readonly base: string; readonly top: string }>;
  /** A guest on its way down. */
  stopping?: NodeJS.Timeout;
  /** Places on the PCI bus, counted when a device is first plugged in. */
  slots?: number;
  /** Targets of disks that the guest was asked to let go of, and has not. */
  asked?: readonly string[];
}

/** What a managed save keeps. */
export interface SavedMemory {
  /** What it ran with: that is what it goes on with. */
  readonly definition: Definition;
  readonly paused: boolean;
}

/** One domain of a host. It has a config, or it runs, or both. */
export interface Domain {
  readonly uuid: string;
  readonly name: string;
  /** Undefined: transient. */
  config: Definition | undefined;
  run: Run | undefined;
  autostart: boolean;
  saved: SavedMemory | undefined;
  offReason: number;
  /** Names of the snapshots that libvirt has a record of. */
  snapshots: readonly string[];
  /** The guest does not react to the power button. */
  ignoresShutdown: boolean;
  /** The guest runs an agent, which shuts it down when it is asked to. */
  hasAgent: boolean;
  /** What that agent shows and does. */
  readonly guest: Guest;
  /** The guest does not let go of a device that is taken from it. */
  keepsDevices: boolean;
}

/** How the protocol names the domain at the moment. */
export function refOf({ name, uuid, run }: Domain): DomainRef {
  return { name, uuid, id: run?.id ?? -1 };
}

/** What is in force now: of a running domain what it runs with. */
export function definitionOf(domain: Domain): Definition {
  const definition = domain.run?.definition ?? domain.config;
  if (definition === undefined) throw new TypeError(`domain ${domain.name} neither runs nor is defined`);
  return definition;
}

/** Whether a change or question is about the running domain, the config, or both; fails where there is no such thing. */
export function impactOf(domain: Domain, flags: number): { live: boolean; config: boolean } {
  const explicit = (flags & (LIVE | CONFIG)) !== 0;
  const live = explicit ? (flags & LIVE) !== 0 : domain.run !== undefined;
  const config = explicit ? (flags & CONFIG) !== 0 : domain.run === undefined;
  if (live && domain.run === undefined) throw wrongState('domain', 'domain is not running');
  if (config && domain.config === undefined)
    throw wrongState('domain', 'transient domains do not have any persistent config');
  return { live, config };
}

/** Rewrites the definitions that are meant. */
export function edit(domain: Domain, flags: number, change: (definition: Definition) => Definition): void {
  const { live, config } = impactOf(domain, flags);
  const run = live ? domain.run : undefined;
  // Both are worked out before one is written: a change that is refused has changed nothing.
  const newRun = run && change(run.definition);
  const newConfig = config && domain.config !== undefined ? change(domain.config) : undefined;
  if (run !== undefined && newRun !== undefined) run.definition = newRun;
  if (newConfig !== undefined) domain.config = newConfig;
}
