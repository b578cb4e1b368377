import { isAbsolute, join, resolve } from 'node:path';
import { z } from 'zod';
import { Secret } from '../core/secret.ts';
import { errorMessage } from '../errors.ts';
import { readPrivateFile } from '../private-file.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

/** What the values of operator.yaml are read against. */
export interface ConfigContext {
  /** Folder of operator.yaml: relative paths start there. */
  readonly folder: string;
  readonly env: Environment;
  /** What `~` stands for. */
  readonly home: string;
}

/** Where a secret is: in exactly one of the two. */
export interface SecretPlace {
  readonly file?: string | undefined;
  readonly env?: string | undefined;
}

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };
const MAX_DURATION_MS = 24 * 3_600_000;
const DURATION = 'expected a number with ms, s, m or h, as in 60s, up to 24h';

/** `500ms`, `60s`, `5m`, `1h`, to milliseconds; more than nothing, a day at most. */
export const duration = z.string(DURATION).transform((text, ctx) => {
  const [, amount, unit] = /^(\d+)(ms|s|m|h)$/.exec(text) ?? [];
  const ms = Number(amount) * (UNIT_MS[unit ?? ''] ?? Number.NaN);
  if (ms > 0 && ms <= MAX_DURATION_MS) return ms;
  return invalid(ctx, `${DURATION}; got ${JSON.stringify(text)}`);
});

/** A path: `~` is the home folder, and a relative one starts at operator.yaml. */
export function pathValue(context: ConfigContext) {
  return z
    .string()
    .min(1)
    .transform((path) => expandPath(context, path));
}

/** A text that `check` accepts or throws at; what it returns is the value. */
export function checkedText(check: (text: string) => string) {
  return z.string().transform((text, ctx) => {
    try {
      return check(text);
    } catch (error) {
      return invalid(ctx, errorMessage(error));
    }
  });
}

/** `~/x` and `x` become absolute. */
export function expandPath({ folder, home }: ConfigContext, path: string): string {
  if (path === '~' || path.startsWith('~/')) return join(home, path.slice(1));
  return isAbsolute(path) ? path : resolve(folder, path);
}

/** The two places that a secret can have. */
export function secretFields(context: ConfigContext) {
  return {
    file: pathValue(context)
      .optional()
      .describe('Path of a file with the secret; only its owner may read it.'),
    env: z.string().min(1).optional().describe('Name of an environment variable with the secret.'),
  };
}

/** For `z.strictObject`: what to say of a secret that stands in the file itself. It is not repeated. */
export const secretError = {
  error: (issue: { readonly code: string; readonly input?: unknown }) =>
    issue.code === 'invalid_type' && issue.input !== undefined
      ? 'a secret is never written here: put it in a file ({file: PATH}) or an environment variable ({env: NAME})'
      : undefined,
};

/** Reads a secret from its place; what is wrong with that becomes an issue. */
export function readSecret(context: ConfigContext, place: SecretPlace, ctx: z.RefinementCtx): Secret {
  if ((place.file === undefined) === (place.env === undefined)) {
    return invalid(ctx, 'needs exactly one of file and env');
  }
  try {
    const value = place.file === undefined ? context.env[place.env ?? ''] : readPrivateFile(place.file);
    const secret = (value ?? '').trim();
    const where = place.file ?? `the variable ${place.env}`;
    // Such a text is no password and no header, and the errors of those who are given it repeat it.
    if (/\p{Cc}/u.test(secret)) return invalid(ctx, `${where} has more than one line, or control characters`);
    if (secret !== '') return new Secret(secret);
    return invalid(ctx, `${where} is ${place.file === undefined ? 'not set' : 'empty'}`);
  } catch (error) {
    return invalid(ctx, errorMessage(error));
  }
}

/** The same, for one that goes into a header. */
export function readToken(context: ConfigContext, place: SecretPlace, ctx: z.RefinementCtx): Secret {
  const secret = readSecret(context, place, ctx);
  // What was wrong with its place is said already.
  if (!(secret instanceof Secret) || /^[\x21-\x7e]+$/.test(secret.reveal())) return secret;
  return invalid(ctx, 'the token has spaces, or letters that are not ASCII');
}

const LOOPBACK = new Set(['localhost', '127.0.0.1', '[::1]', '::1']);

/** Whether what is sent there stays on this machine. */
export function isLoopback(host: string): boolean {
  return LOOPBACK.has(host);
}

/** `host:port` to listen on, `[::1]:8080` for IPv6. */
export const listenAddress = z.string().transform((text, ctx) => {
  const [, bracketed, plain, port] = /^(?:\[([0-9A-Fa-f:.]+)\]|([^:\s[\]]+)):(\d{1,5})$/.exec(text) ?? [];
  const host = bracketed ?? plain;
  if (host !== undefined && Number(port) <= 65_535) return { host, port: Number(port) };
  return invalid(ctx, `expected host:port, as in 127.0.0.1:8080; got ${JSON.stringify(text)}`);
});

function invalid(ctx: z.RefinementCtx, message: string): never {
  ctx.addIssue({ code: 'custom', message });
  return z.NEVER;
}
