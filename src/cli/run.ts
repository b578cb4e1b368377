import { type Config, loadConfig } from '../config.ts';
import { Secret } from '../core/secret.ts';
import { errorMessage } from '../errors.ts';
import { watchFiles } from '../file-watch.ts';
import { createLogger, type Logger } from '../log.ts';
import { type Service, startService } from '../service.ts';
import { lockState } from '../state/lock.ts';
import { version } from '../version.ts';
import type { GlobalOptions } from './options.ts';
import { onStopSignal } from './stop-signals.ts';

/** Runs until SIGTERM or Ctrl-C. SIGUSR1 asks for a pass. A changed operator.yaml takes effect at once, if it is valid. */
export async function run(options: GlobalOptions): Promise<number> {
  let config = loadConfig(options.config);
  let log = createLogger({ level: config.logLevel });
  const inbox = openInbox();
  const lock = await lockState(config.stateDir);
  const watch = await watchFiles(config.file, () => inbox.put('config'));
  log.info({ version, config: config.file, remote: config.git.remote, hosts: config.hosts.size }, 'starting');
  let service: Service | undefined;
  try {
    service = await startService(config, { log });
    for await (const message of inbox.messages) {
      if (message === 'stop') break;
      if (message === 'pass') {
        service.ask('SIGUSR1');
        continue;
      }
      const changed = reload(config, log);
      if (changed === undefined) continue;
      await service.stop();
      service = undefined;
      ({ service, config, log } = await restart(changed, { config, log }));
    }
    log.info('stopping: steps that are begun are finished first; once more ends at once');
  } finally {
    await watch.close();
    await service?.stop();
    await lock.release();
  }
  return 0;
}

/** The changed config; undefined when it is as before or cannot be used: the old one stays in force. */
function reload(current: Config, log: Logger): Config | undefined {
  try {
    const config = loadConfig(current.file);
    if (JSON.stringify(comparable(config)) === JSON.stringify(comparable(current))) return undefined;
    if (config.stateDir !== current.stateDir) {
      log.error('the state folder cannot change while the operator runs: restart it');
      return undefined;
    }
    return config;
  } catch (error) {
    log.error(
      { problem: errorMessage(error) },
      'operator.yaml has changed and is not valid: the old one stays in force',
    );
    return undefined;
  }
}

interface Running {
  readonly config: Config;
  readonly log: Logger;
}

/** Starts with the changed config, or, where that cannot work, with the old one again. */
async function restart(config: Config, old: Running): Promise<Running & { readonly service: Service }> {
  old.log.info('operator.yaml has changed: starting again with it');
  const log = createLogger({ level: config.logLevel });
  try {
    return { config, log, service: await startService(config, { log }) };
  } catch (error) {
    old.log.error(
      { problem: errorMessage(error) },
      'the changed operator.yaml does not work: the old one stays in force',
    );
    return { ...old, service: await startService(old.config, { log: old.log }) };
  }
}

/** Maps print as `{}` in JSON, and a secret never prints. */
function comparable(value: unknown): unknown {
  if (value instanceof Secret) return value.reveal();
  if (value instanceof Map) return comparable([...value]);
  if (Array.isArray(value)) return value.map(comparable);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, comparable(inner)]));
}

type Message = 'stop' | 'pass' | 'config';

/** What the outside tells the process, one after the other. */
function openInbox(): { put(message: Message): void; messages: AsyncIterable<Message> } {
  const waiting: Message[] = [];
  let wake = () => {};
  const put = (message: Message) => {
    waiting.push(message);
    wake();
  };
  onStopSignal(() => put('stop'));
  // To the end of the process: without a listener Node would open its debugger.
  process.on('SIGUSR1', () => put('pass'));
  async function* messages(): AsyncGenerator<Message> {
    for (;;) {
      const next = waiting.shift();
      if (next !== undefined) yield next;
      else
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
    }
  }
  return { put, messages: messages() };
}
