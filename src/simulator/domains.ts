import { parseDefinition } from './define.ts';
import { type Definition, renderDefinition } from './definition.ts';
import { withWholeChains } from './disk-sources.ts';
import {
  type Domain,
  definitionOf,
  OFF_REASON,
  PAUSED_FOR_MIGRATION,
  RUN_REASON,
  type Run,
  refOf,
  type SavedMemory,
  STATE,
} from './domain.ts';
import type { EventFeed } from './event-feed.ts';
import type { HostFacts } from './facts.ts';
import { allowFlags, LibvirtFailure, noDomain, operationFailed, systemError, wrongState } from './failure.ts';
import { newGuest, rebooted, requireAgent } from './guest-agent.ts';
import { checkStart } from './start-checks.ts';
import type { Storage } from './storage.ts';

/** virDomainEventType with its detail. */
const EVENT = {
  added: [0, 0],
  updated: [0, 1],
  removed: [1, 0],
  booted: [2, 0],
  migratedHere: [2, 1],
  restored: [2, 2],
  paused: [3, 0],
  pausedToLeave: [3, 1],
  restoredPaused: [3, 4],
  unpaused: [4, 0],
  goesOnHere: [4, 1],
  resumedFromSave: [4, 2],
  stoppedByItself: [5, 0],
  destroyed: [5, 1],
  migratedAway: [5, 3],
  saved: [5, 4],
  failed: [5, 5],
  shutdownByGuest: [6, 1],
  shutdownByHost: [6, 2],
} as const;

type Ending = 'stoppedByItself' | 'destroyed' | 'saved' | 'failed' | 'migratedAway';

const START = { paused: 1, forceBoot: 8 } as const;
const SAVE = { running: 2, paused: 4 } as const;
const SHUTDOWN_AGENT = 2;
const UNDEFINE_MANAGED_SAVE = 1;
const UNDEFINE_SNAPSHOTS = 2;

export interface DomainsOptions {
  readonly facts: HostFacts;
  readonly storage: Storage;
  readonly events: EventFeed;
  /** From the power button to the guest's end. */
  readonly shutdownMs: number;
  readonly onChange: () => void;
}

/** What outlives the host's end, beside a domain's definition. */
interface KeptDomain {
  readonly autostart: boolean;
  readonly saved?: { readonly xml: string; readonly paused: boolean };
}

/** The domains of one host. */
export class Domains {
  readonly #options: DomainsOptions;
  readonly #byUuid = new Map<string, Domain>();
  #lastId = 0;

  constructor(options: DomainsOptions) {
    this.#options = options;
  }

  all(): readonly Domain[] {
    return [...this.#byUuid.values()];
  }

  byName(name: string): Domain {
    const domain = this.all().find((candidate) => candidate.name === name);
    if (domain === undefined) throw noDomain(`name '${name}'`);
    return domain;
  }

  byUuid(uuid: string): Domain {
    const domain = this.#byUuid.get(uuid);
    if (domain === undefined) throw noDomain(`uuid '${uuid}'`);
    return domain;
  }

  /** As a call names it: the uuid counts. */
  byRef({ uuid, name }: { readonly uuid: string; readonly name: string }): Domain {
    const domain = this.#byUuid.get(uuid);
    if (domain === undefined) throw noDomain(`uuid '${uuid}' (${name})`);
    return domain;
  }

  /** Makes a domain, or replaces the config of the one with this name and uuid. */
  define(xml: string, validate: boolean): Domain {
    const config = parseDefinition(xml, this.#options.facts, validate);
    const existing = this.#claim(config);
    const domain = existing ?? this.#add(config);
    domain.config = config;
    this.#emit(domain, existing === undefined ? 'added' : 'updated');
    return domain;
  }

  /** Puts a domain back as it was, for a host that starts. */
  restore(xml: string, { autostart, saved }: KeptDomain): void {
    const parse = (text: string) => parseDefinition(text, this.#options.facts, false);
    const config = parse(xml);
    const memory = saved && { definition: parse(saved.xml), paused: saved.paused };
    Object.assign(this.#add(config), { config, autostart, saved: memory });
  }

  undefine(domain: Domain, flags: number): void {
    allowFlags(flags, 0x7f, 'qemu', 'qemuDomainUndefineFlags');
    if (domain.config === undefined) throw wrongState('qemu', 'cannot undefine transient domain');
    if (domain.saved !== undefined && (flags & UNDEFINE_MANAGED_SAVE) === 0)
      throw wrongState('qemu', 'Refusing to undefine while domain managed save image exists');
    if (domain.run === undefined && domain.snapshots.length > 0 && (flags & UNDEFINE_SNAPSHOTS) === 0)
      throw wrongState('qemu', `cannot delete inactive domain with ${domain.snapshots.length} snapshots`);
    const ref = refOf(domain);
    domain.config = undefined;
    domain.snapshots = [];
    domain.autostart = false;
    domain.saved = undefined;
    if (domain.run === undefined) this.#byUuid.delete(domain.uuid);
    this.#emit(domain, 'removed', ref);
  }

  start(domain: Domain, flags: number): void {
    allowFlags(flags, 0x3f, 'qemu', 'qemuDomainCreateWithFlags');
    if (domain.run !== undefined || domain.config === undefined)
      throw wrongState('qemu', 'domain is already running');
    if (domain.saved !== undefined && (flags & START.forceBoot) === 0) {
      this.#goOn(domain, domain.saved, flags);
      return;
    }
    const paused = (flags & START.paused) !== 0;
    this.#run(domain, domain.config, { paused, reason: RUN_REASON.booted });
    rebooted(domain.guest);
    if (!paused) this.#emit(domain, 'unpaused');
    this.#emit(domain, 'booted');
    if (paused) this.#emit(domain, 'paused');
  }

  /** With what was saved, whatever the config says by now. */
  #goOn(domain: Domain, saved: SavedMemory, flags: number): void {
    const paused = saved.paused || (flags & START.paused) !== 0;
    const reason = paused ? RUN_REASON.restoredPaused : RUN_REASON.restored;
    this.#run(domain, saved.definition, { paused, reason });
    this.#emit(domain, 'restored');
    this.#emit(domain, paused ? 'restoredPaused' : 'resumedFromSave');
  }

  #run(
    domain: Domain,
    definition: Definition,
    { paused, reason }: Pick<Run, 'reason'> & { paused: boolean },
  ) {
    const id = ++this.#lastId;
    this.#checkStart(domain, definition);
    domain.saved = undefined;
    const state = paused ? STATE.paused : STATE.running;
    domain.run = { id, definition, state, reason, since: Date.now(), commits: new Map() };
  }

  /** Starts a process that waits for a guest from another host; beside a config that is there it is that domain. */
  prepare(xml: string): Domain {
    const definition = parseDefinition(xml, this.#options.facts, false);
    const existing = this.#claim(definition);
    if (existing?.run !== undefined)
      throw wrongState('domain', `domain is already active as '${existing.name}'`);
    const domain = existing ?? this.#add(definition);
    const reason = PAUSED_FOR_MIGRATION;
    try {
      this.#run(domain, definition, { paused: true, reason });
    } catch (error) {
      if (domain.config === undefined) this.#byUuid.delete(domain.uuid);
      throw error;
    }
    this.#emit(domain, 'migratedHere');
    return domain;
  }

  /** Ends a process that waited in vain. */
  giveUp(domain: Domain, how: 'failed' | 'destroyed'): void {
    if (domain.run !== undefined) this.#end(domain, how, OFF_REASON[how]);
  }

  /** The guest has arrived, and runs; `next` is what its next start takes. */
  goOnHere(domain: Domain, next: string | undefined): void {
    if (next !== undefined) domain.config = parseDefinition(next, this.#options.facts, false);
    this.#setState(domain, STATE.running, RUN_REASON.migrated);
    this.#emit(domain, 'goesOnHere');
  }

  /** All of the guest has been sent. */
  pauseToLeave(domain: Domain): void {
    this.#setState(domain, STATE.paused, PAUSED_FOR_MIGRATION);
    this.#emit(domain, 'pausedToLeave');
  }

  isPausedToLeave({ run }: Domain): boolean {
    return run?.state === STATE.paused && run.reason === PAUSED_FOR_MIGRATION;
  }

  /** Its guest runs elsewhere. */
  leave(domain: Domain): void {
    this.#end(domain, 'migratedAway', OFF_REASON.migrated);
  }

  /** Lets a paused guest go on. */
  resume(domain: Domain): void {
    if (domain.run === undefined) throw wrongState('domain', 'domain is not running');
    if (domain.run.state === STATE.running) throw wrongState('qemu', 'domain is already running');
    this.#setState(domain, STATE.running, RUN_REASON.unpaused);
    this.#emit(domain, 'unpaused');
  }

  #setState(domain: Domain, state: number, reason: number): void {
    if (domain.run !== undefined) domain.run = { ...domain.run, state, reason };
  }

  /** Pulls the plug. */
  destroy(domain: Domain, flags: number): void {
    allowFlags(flags, 0x3, 'qemu', 'qemuDomainDestroyFlags');
    if (domain.run === undefined) throw wrongState('domain', 'domain is not running');
    this.#emit(domain, 'shutdownByHost');
    this.#end(domain, 'destroyed', OFF_REASON.destroyed);
  }

  /** Presses the power button. */
  shutdown(domain: Domain, flags: number): void {
    allowFlags(flags, 0x1f, 'qemu', 'qemuDomainShutdownFlags');
    const { run } = domain;
    if (run?.state !== STATE.running) throw wrongState('qemu', 'domain is not running');
    const byAgent = (flags & SHUTDOWN_AGENT) !== 0;
    if (byAgent) requireAgent(domain);
    if ((domain.ignoresShutdown && !byAgent) || run.stopping !== undefined) return;
    run.stopping = setTimeout(() => this.powerOff(domain), this.#options.shutdownMs);
    run.stopping.unref();
  }

  /** The guest ends by itself; nothing happens to one that is off. */
  powerOff(domain: Domain): void {
    if (domain.run === undefined) return;
    this.#emit(domain, 'shutdownByGuest');
    this.#end(domain, 'stoppedByItself', OFF_REASON.shutdown);
  }

  /** Writes the guest's memory to disk and stops it: its next start goes on where it was. */
  managedSave(domain: Domain, flags: number): void {
    allowFlags(flags, 0x7, 'qemu', 'qemuDomainManagedSave');
    const { run } = domain;
    if (run === undefined) throw wrongState('domain', 'domain is not running');
    if (domain.config === undefined) throw wrongState('qemu', 'cannot do managed save for transient domain');
    const isPaused = run.state === STATE.paused;
    const paused = (flags & SAVE.paused) !== 0 || (isPaused && (flags & SAVE.running) === 0);
    domain.saved = { definition: run.definition, paused };
    if (!isPaused) this.#emit(domain, 'paused');
    this.#end(domain, 'saved', OFF_REASON.saved);
  }

  removeManagedSave(domain: Domain): void {
    if (domain.saved === undefined) {
      const path = `/var/lib/libvirt/qemu/save/${domain.name}.save`;
      throw systemError('qemu', `Failed to remove managed save file '${path}': No such file or directory`);
    }
    domain.saved = undefined;
    this.#options.onChange();
  }

  setAutostart(domain: Domain, autostart: boolean): void {
    if (domain.config === undefined) throw wrongState('qemu', 'cannot set autostart for transient domain');
    domain.autostart = autostart;
    this.#options.onChange();
  }

  /** Everything that runs dies without a word; transient domains are gone. */
  powerCut(): void {
    for (const domain of this.all()) {
      clearTimeout(domain.run?.stopping);
      domain.run = undefined;
      domain.offReason = OFF_REASON.unknown;
      if (domain.config === undefined) this.#byUuid.delete(domain.uuid);
    }
    this.#lastId = 0;
  }

  /** What a booting host does; a domain that cannot start stays off. */
  autostart(): void {
    for (const domain of this.all().filter((candidate) => candidate.autostart)) {
      try {
        this.start(domain, 0);
      } catch (error) {
        if (!(error instanceof LibvirtFailure)) throw error;
      }
    }
  }

  /** Its XML; with `inactive` that of the next start. */
  xml(domain: Domain, inactive: boolean): string {
    const config = inactive ? (domain.config ?? domain.run?.definition) : undefined;
    const { run, hasAgent } = domain;
    return config === undefined
      ? renderDefinition(this.#shown(domain), run && { id: run.id, hasAgent })
      : renderDefinition(config);
  }

  #shown(domain: Domain): Definition {
    const definition = definitionOf(domain);
    return domain.run === undefined ? definition : withWholeChains(definition, this.#options.storage);
  }

  /** The domain that has this name and uuid; fails where only one of them is taken. */
  #claim({ name, uuid }: Definition): Domain | undefined {
    const same = this.#byUuid.get(uuid);
    if (same !== undefined && same.name !== name)
      throw operationFailed('domain', `domain '${same.name}' is already defined with uuid ${uuid}`);
    const namesake = this.all().find((domain) => domain.name === name);
    if (namesake !== undefined && namesake !== same)
      throw operationFailed('domain', `domain '${name}' already exists with uuid ${namesake.uuid}`);
    return same;
  }

  #add({ uuid, name }: Definition): Domain {
    const domain: Domain = {
      uuid,
      name,
      config: undefined,
      run: undefined,
      autostart: false,
      saved: undefined,
      offReason: OFF_REASON.unknown,
      snapshots: [],
      ignoresShutdown: false,
      hasAgent: false,
      guest: newGuest(),
      keepsDevices: false,
    };
    this.#byUuid.set(uuid, domain);
    return domain;
  }

  #checkStart(domain: Domain, config: Definition): void {
    try {
      checkStart(config, { ...this.#options, running: this.all().flatMap(({ run }) => run ?? []) });
    } catch (error) {
      domain.offReason = OFF_REASON.failed;
      throw error;
    }
  }

  #end(domain: Domain, event: Ending, reason: number): void {
    clearTimeout(domain.run?.stopping);
    domain.run = undefined;
    domain.offReason = reason;
    if (domain.config === undefined) this.#byUuid.delete(domain.uuid);
    this.#emit(domain, event);
  }

  #emit(domain: Domain, event: keyof typeof EVENT, ref = refOf(domain)): void {
    const [type, detail] = EVENT[event];
    this.#options.events.lifecycle(ref, type, detail);
    this.#options.onChange();
  }
}
