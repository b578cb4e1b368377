import { type SimpleGit, simpleGit } from 'simple-git';
import { errorMessage } from '../errors.ts';
import type { GitVariables, RemoteAccess } from './environment.ts';
import { redact } from './redact.ts';

/** How one git command is run. */
export interface GitCall {
  /** Default `none`: the command does not leave the mirror. */
  readonly access?: RemoteAccess;
  readonly input?: string;
  readonly signal?: AbortSignal;
  /** Default: the settings' own. */
  readonly timeoutMs?: number;
  /** More output than this stops the command. Default 64 MiB. */
  readonly maxOutputBytes?: number;
}

/** Runs git in one bare repository. Any exit but 0 throws a GitFailure; an abort throws the signal's reason. */
export interface Git {
  /** Standard output as text. */
  text(args: readonly string[], call?: GitCall): Promise<string>;
  /** Objects, one after the other, as `git cat-file --batch` prints them. */
  objects(oids: readonly string[], call?: GitCall): Promise<Buffer>;
}

export interface GitSettings {
  /** The bare repository. It has to be there. */
  readonly dir: string;
  readonly environment: (access: RemoteAccess) => GitVariables;
  readonly timeoutMs: number;
}

/** `exit`: git said no; `corrupt`: what it said makes no sense; `not-run`: it could not be started, or was killed. */
type FailureKind = 'exit' | 'corrupt' | 'not-run' | 'timeout' | 'too-long';

/** For every fetch: one ref and nothing beside it. `-v`, because simple-git makes a command that says nothing wait. */
export const FETCH_OPTIONS: readonly string[] = [
  '-v',
  '--no-tags',
  '--no-write-fetch-head',
  '--no-recurse-submodules',
  '--no-auto-maintenance',
];

/** git did not do what it was asked. `output` is what it printed, without secrets. */
export class GitFailure extends Error {
  readonly kind: FailureKind;
  readonly output: string;

  constructor(kind: FailureKind, command: string, output: string) {
    super(`git ${command}: ${output.trim() || kind}`);
    this.name = 'GitFailure';
    this.kind = kind;
    this.output = output;
  }
}

const MAX_OUTPUT_BYTES = 64 * 1024 * 1024;

/** The only place where simple-git is configured. */
export function createGit(settings: GitSettings): Git {
  return {
    text: async (args, call = {}) =>
      String(await run(settings, args[0] ?? '', call, (git) => git.raw([...args]))),
    objects: async (oids, call = {}) => {
      const input = oids.map((oid) => `${oid}\n`).join('');
      const output = await run(settings, 'cat-file', { ...call, input }, (git) =>
        git.binaryCatFile(['--batch']),
      );
      return Buffer.isBuffer(output) ? output : Buffer.alloc(0);
    },
  };
}

async function run(
  settings: GitSettings,
  command: string,
  call: GitCall,
  start: (git: SimpleGit) => PromiseLike<unknown>,
): Promise<unknown> {
  call.signal?.throwIfAborted();
  const { variables, secrets } = settings.environment(call.access ?? 'none');
  const interruption = interruptible(call, call.timeoutMs ?? settings.timeoutMs);
  let result = { output: '', exitCode: 0 };
  const git = simpleGit({
    ...GUARDS,
    baseDir: settings.dir,
    abort: interruption.stop,
    ...(call.input === undefined ? {} : { input: () => call.input }),
    // Without this, a failing command that prints nothing would count as success.
    errors: (error, { exitCode, stdErr, stdOut }) => {
      if (error === undefined && exitCode === 0) return undefined;
      result = { output: Buffer.concat([...stdOut.map(tail), ...stdErr.map(tail)]).toString(), exitCode };
      return error ?? Buffer.from(`exit code ${exitCode}`);
    },
  });
  git.env({ ...variables, GIT_DIR: settings.dir });
  git.outputHandler((_command, stdout) => stdout.on('data', interruption.count));
  try {
    // Our own deadline: git may be gone and a child of it still hold the pipe, or ignore the interrupt.
    return await Promise.race([start(git), interruption.happened]);
  } catch (error) {
    call.signal?.throwIfAborted();
    // Killed by a signal: null. Not started: negative.
    const kind = interruption.kind() ?? (result.exitCode > 0 ? 'exit' : 'not-run');
    // simple-git reports a failed start as a stack on standard error.
    const output = kind === 'not-run' ? result.output.split('\n', 1).join() : result.output.trim();
    throw new GitFailure(kind, command, redact(output || errorMessage(error), secrets));
  } finally {
    interruption.clear();
  }
}

/** Every variable that git reads is named here; hooks, helpers and transports are held by the config file. */
const GUARDS = {
  allowEnvironment: [
    'GIT_DIR',
    'GIT_TERMINAL_PROMPT',
    'GIT_CONFIG_NOSYSTEM',
    'GIT_CONFIG_GLOBAL',
    'GIT_SSH_COMMAND',
    'GIT_ASKPASS',
  ],
  unsafe: { allowUnsafeSshCommand: true, allowUnsafeConfigPaths: true, allowUnsafeAskPass: true },
  // By default output is taken as complete 50 ms after the exit, whether it is or not.
  completion: { onClose: true, onExit: false },
} as const;

function tail(chunk: Buffer): Buffer {
  return chunk.subarray(-8192);
}

/** Ends a command early: at its deadline, when the caller wants it, or when it prints without end. */
function interruptible(call: GitCall, timeoutMs: number) {
  const stop = new AbortController();
  const happened = new Promise<never>((_resolve, reject) => {
    stop.signal.addEventListener('abort', () => reject(stop.signal.reason));
  });
  // Nobody listens any more once the command has ended by itself.
  happened.catch(() => undefined);
  let kind: FailureKind | undefined;
  let bytes = 0;
  const interrupt = (why: FailureKind, message: string): void => {
    kind ??= why;
    stop.abort(new Error(message));
  };
  const onAbort = (): void => stop.abort(new Error('stopped'));
  const timer = setTimeout(() => interrupt('timeout', `no answer within ${timeoutMs / 1000} s`), timeoutMs);
  call.signal?.addEventListener('abort', onAbort);
  return {
    stop: stop.signal,
    happened,
    kind: () => kind,
    count: (chunk: Buffer | string): void => {
      bytes += chunk.length;
      const limit = call.maxOutputBytes ?? MAX_OUTPUT_BYTES;
      if (bytes > limit) interrupt('too-long', `over ${limit} bytes of output`);
    },
    clear: (): void => {
      clearTimeout(timer);
      call.signal?.removeEventListener('abort', onAbort);
    },
  };
}
