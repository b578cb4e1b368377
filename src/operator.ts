import { join } from 'node:path';
import type { HostConfig } from './config/hosts.ts';
import type { Config } from './config.ts';
import { environment } from './config.ts';
import type { BuildContext } from './core/build-desired.ts';
import { createStatusSender, type StatusSender } from './forge/statuses/sender.ts';
import { manifestCommits } from './git/manifest-commits.ts';
import { createMirror, type Mirror } from './git/mirror.ts';
import { createNotes, type NotesWriter } from './git/notes.ts';
import { createGuests } from './guests/guests.ts';
import { seedImage } from './guests/seed-image.ts';
import { type HostClient, openHostClient } from './hosts/host-client.ts';
import { connectHost, HostLink, type LinkState } from './hosts/host-link.ts';
import { createHosts, type HostsOptions } from './hosts/hosts.ts';
import { openCheckedVolumes } from './hosts/images/checked-volumes.ts';
import { type ImageFiles, openImageFiles } from './hosts/images/image-files.ts';
import { openInventory } from './hosts/inventory.ts';
import type { Logger } from './log.ts';
import { localMachine } from './names/local-machine.ts';
import type { Machine } from './names/machine.ts';
import { createNames } from './names/names.ts';
import type { NamesSettings } from './names/settings.ts';
import { sshMachine } from './names/ssh-machine.ts';
import { withNames } from './names/with-names.ts';
import { createChangedBy } from './notify/changed-by.ts';
import { createNotifier, type Notifier } from './notify/notifier.ts';
import { createReceiver } from './notify/receivers.ts';
import type { Clock, Hosts, ImageStore, Notes } from './ports.ts';
import { createAskedGuests } from './reconcile/asked-guests.ts';
import { createBuilder } from './reconcile/builder.ts';
import type { OnProgress } from './reconcile/progress.ts';
import type { Deps } from './reconcile/reconcile.ts';
import { createRestartLimiter } from './reconcile/restart-limiter.ts';
import { createRetryPacer } from './reconcile/retry-pacer.ts';
import { tellCommits } from './reconcile/tell-commits.ts';
import { vmsAt } from './reconcile/vms-at.ts';
import { type ConfirmationStore, openConfirmations } from './state/confirmations.ts';
import { type ControlStore, openControl } from './state/control.ts';
import { type OpenJournal, openJournal } from './state/journal.ts';
import { openNotifications } from './state/notifications.ts';

const OBSERVE_TIMEOUT_MS = 30_000;
/** libvirt itself waits five seconds for the guest before it answers; one that boots does not hear the first request. */
const LET_GO_MS = 15_000;
const COPY_TIMEOUT_MS = 2 * 60 * 60_000;
const LIBVIRT_KEEPALIVE = { intervalMs: 5_000, count: 3 };

export type HostLinks = ReadonlyMap<string, HostLink<HostClient>>;

/** Everything that a pass needs, built from the config: the real adapters behind the ports. */
export interface Operator {
  readonly deps: Deps;
  readonly mirror: Mirror;
  readonly links: HostLinks;
  /** Undefined: operator.yaml names none. */
  readonly dnsmasq: { readonly machine: Machine; readonly settings: NamesSettings } | undefined;
  readonly journal: OpenJournal;
  readonly confirmations: ConfirmationStore;
  readonly control: ControlStore;
  /** Undefined where the config switches notes off. */
  readonly notes: NotesWriter | undefined;
  /** Undefined where operator.yaml names no forge for it. */
  readonly statuses: StatusSender | undefined;
  /** Undefined where operator.yaml names nobody to be told. */
  readonly notifier: Notifier | undefined;
  /** For plans that are made while passes run: what those have, and no pass knows of it. */
  readonly beside: Pick<Hosts, 'observe'> & Pick<Deps, 'build'>;
  close(): Promise<void>;
}

export interface OperatorOptions {
  readonly log: Logger;
  readonly onProgress?: OnProgress;
  /** Something happened on a host: a VM changed, or the host came back. */
  readonly onHostEvent?: (host: string) => void;
  /** For commands that only look: journal and inventory are opened for reading. */
  readonly readOnly?: boolean;
}

const clock: Clock = { now: () => new Date() };

/** The only place where real adapters are built. Connects to nothing yet. */
export async function createOperator(config: Config, options: OperatorOptions): Promise<Operator> {
  const { log } = options;
  const mirror = openMirror(config, log);
  const journal = await openJournal(config.stateDir, { log, readOnly: options.readOnly ?? false });
  const confirmations = openConfirmations(config.stateDir, clock);
  const control = openControl({ dir: config.stateDir, clock, confirmations });
  const notes = config.git.notes ? createNotes({ mirror, ref: config.git.notesRef, log }) : undefined;
  const statuses = options.readOnly ? undefined : openStatuses(config, log);
  const tell = statuses && tellCommits((sha, state) => statuses.put(sha, state));
  const notifier = options.readOnly ? undefined : await openNotifier(config, mirror, log);
  const links = createLinks(config, options);
  const files = await openImageFiles(config.stateDir, COPY_TIMEOUT_MS);
  const { hosts, beside } = await openHosts(config, { links, files }, options);
  const dnsmasq = openDnsmasq(config);
  const deps: Deps = {
    source: mirror,
    hosts: dnsmasq === undefined ? hosts : withNames(hosts, createNames(dnsmasq.machine, dnsmasq.settings)),
    journal,
    notes: notes ?? NO_NOTES,
    images: imageStore(files, log),
    confirmations,
    allowRewind: config.git.allowRewind,
    control,
    restarts: createRestartLimiter(),
    retries: createRetryPacer(),
    asked: createAskedGuests(),
    clock,
    build: createBuilder(buildContext(config), files.sources),
    concurrency: config.concurrency,
    onProgress: (event) => {
      tell?.(event);
      notifier?.onProgress(event);
      options.onProgress?.(event);
    },
  };
  return {
    deps,
    mirror,
    links,
    dnsmasq,
    journal,
    confirmations,
    control,
    notes,
    statuses,
    notifier,
    beside: { ...beside, build: createBuilder(buildContext(config), files.sources) },
    async close() {
      for (const link of links.values()) link.close();
      dnsmasq?.machine.close();
      await notes?.stop();
      await statuses?.stop();
      await notifier?.stop();
      await journal.close();
    },
  };
}

function imageStore(files: ImageFiles, log: Logger): ImageStore {
  return {
    async keepNamed(desired) {
      try {
        for (const { name, bytes } of await files.keepNamed(desired))
          log.info({ file: name, bytes }, 'image file deleted: git names it no more');
      } catch (err) {
        log.warn({ err }, 'image files that git names no more cannot be deleted');
      }
    },
  };
}

function openStatuses({ commitStatus }: Config, log: Logger): StatusSender | undefined {
  if (commitStatus === undefined) return undefined;
  const { target, token } = commitStatus;
  return createStatusSender({ target, token: () => token.reveal(), log });
}

async function openNotifier(config: Config, mirror: Mirror, log: Logger): Promise<Notifier | undefined> {
  if (config.notifications.length === 0) return undefined;
  const build = createBuilder(buildContext(config), new Map());
  return createNotifier({
    receivers: config.notifications.map(createReceiver),
    store: openNotifications(config.stateDir),
    changedBy: createChangedBy({
      commits: (from, limit, signal) =>
        manifestCommits(mirror, { folder: config.git.path, from, limit }, signal),
      vmsAt: (sha, signal) => vmsAt(build, () => mirror.read(sha, signal)),
    }),
    now: () => clock.now(),
    log,
  });
}

function openDnsmasq({ dnsmasq }: Config): Operator['dnsmasq'] {
  if (dnsmasq === undefined) return undefined;
  const { target, settings } = dnsmasq;
  return { machine: target === undefined ? localMachine() : sshMachine(target), settings };
}

const NO_NOTES: Notes = { put: () => {} };

/** Returns when notes, commit statuses and notifications are where they belong, or the signal aborts. */
export async function writeResults(
  { notes, statuses, notifier }: Operator,
  signal: AbortSignal,
): Promise<void> {
  await Promise.all([notes?.flush(signal), statuses?.flush(signal), notifier?.flush(signal)]);
}

/** What a manifest may name. */
export function buildContext(config: Config): BuildContext {
  return {
    hosts: new Map([...config.hosts].map(([name, { target }]) => [name, { address: target.address }])),
  };
}

/** The mirror of the manifests repository in the state folder. */
export function openMirror(config: Config, log: Logger): Mirror {
  const { remote, branch, path, credentials, timeoutMs, identity, verify } = config.git;
  return createMirror({
    dir: join(config.stateDir, 'mirror'),
    remote,
    branch,
    path,
    credentials,
    ...(verify !== undefined && { trust: verify }),
    timeoutMs,
    identity,
    env: environment(),
    log,
  });
}

async function openHosts(
  config: Config,
  { links, files }: { readonly links: HostLinks; readonly files: ImageFiles },
  { readOnly = false }: OperatorOptions,
): Promise<{ hosts: Hosts; beside: Pick<Hosts, 'observe'> }> {
  const inventory = await openInventory(config.stateDir, { readOnly });
  const settings: HostsOptions = {
    connections: [...links].map(([name, link]) => ({ name, get: (signal) => link.get(signal) })),
    inventory,
    settings: {
      shutdownTimeoutMs: config.shutdownTimeoutMs,
      force: config.force,
      letGoMs: LET_GO_MS,
      copyTimeoutMs: COPY_TIMEOUT_MS,
      seedImage: (order) => seedImage(order, config.secrets),
      guests: createGuests({
        ...config.guests,
        keysDir: join(config.stateDir, 'guest-keys'),
        hosts: new Map([...config.hosts].map(([name, { target }]) => [name, target])),
      }),
      migrationAddressOf: (host) => config.hosts.get(host)?.migrationAddress ?? host,
    },
    images: {
      files,
      checked: await openCheckedVolumes(config.stateDir, { readOnly }),
    },
    observeTimeoutMs: OBSERVE_TIMEOUT_MS,
  };
  // One that looks while a step runs must not remember the host as it was before.
  const forgetful = { ...inventory, remember: async () => {} };
  return { hosts: createHosts(settings), beside: createHosts({ ...settings, inventory: forgetful }) };
}

function createLinks(config: Config, { log, onHostEvent = () => {} }: OperatorOptions): HostLinks {
  const link = (host: HostConfig) =>
    new HostLink<HostClient>({
      name: host.name,
      connect: (signal) =>
        connectHost(
          host,
          (stream, _, openMore) =>
            openHostClient(stream, {
              openMore,
              uri: host.libvirt.uri,
              keepalive: LIBVIRT_KEEPALIVE,
              virtType: host.virtType,
              onEvent: () => onHostEvent(host.name),
            }),
          signal,
        ),
      onState: (state) => {
        logLink(log, host.name, state);
        if (state.kind === 'up') onHostEvent(host.name);
      },
    });
  return new Map([...config.hosts.values()].map((host) => [host.name, link(host)]));
}

function logLink(log: Logger, host: string, state: LinkState): void {
  if (state.kind === 'up') log.info({ host, way: state.way, detail: state.detail }, 'host connected');
  if (state.kind === 'down') log.warn({ host, err: state.error, retryAt: state.retryAt }, 'host unreachable');
}
