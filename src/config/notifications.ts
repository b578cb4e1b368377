import { z } from 'zod';
import { NOTICE_KINDS } from '../core/notifying/standing.ts';
import { Secret } from '../core/secret.ts';
import { RECEIVER_KINDS, type ReceiverSettings, type Way } from '../notify/receivers.ts';
import { type ConfigContext, duration, isLoopback, readSecret, secretError, secretFields } from './values.ts';

const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,39}$/;
/** One address, with or without a name before it. Line breaks and commas would make more of it. */
const MAILBOX = /^(?:[^<>,\p{Cc}]*<[^\s<>@,]+@[^\s<>@,]+>|[^\s<>@,]+@[^\s<>@,]+)$/u;
const PORTS = { starttls: 587, tls: 465, none: 25 } as const;

const mailbox = z.string().regex(MAILBOX, 'expected a mail address, as in ops@example.org');

export function notificationsSchema(context: ConfigContext) {
  return z
    .array(receiverSchema(context))
    .max(20)
    .superRefine((receivers, ctx) => {
      receivers.forEach(({ name }, index) => {
        if (receivers.findIndex((other) => other.name === name) < index)
          ctx.addIssue({ code: 'custom', message: `two have the name ${name}`, path: [index, 'name'] });
      });
    })
    .prefault([])
    .describe('Who is told when something breaks, waits or is well again; a list.');
}

function receiverSchema(context: ConfigContext) {
  const secret = (what: string) =>
    z
      .strictObject(secretFields(context), secretError)
      .transform((place, ctx) => readSecret(context, place, ctx))
      .optional()
      .describe(what);
  return z
    .strictObject({
      name: z
        .string()
        .regex(NAME, 'expected letters, digits, dot, dash, underscore')
        .describe('What it is called in the log; what it was told is remembered under this name.'),
      kind: z
        .enum(RECEIVER_KINDS)
        .describe('webhook (JSON for programs), slack, mattermost (their incoming webhooks) or smtp (mail).'),
      url: urlSchema(context),
      secret: secret(
        'Of a webhook: key of its HMAC-SHA256 signature (Standard Webhooks); whsec_... is base64.',
      ),
      host: z.string().min(1).optional().describe('Of smtp: the mail server.'),
      port: z
        .int()
        .min(1)
        .max(65_535)
        .optional()
        .describe('Of smtp: its port; without it 587 for starttls, 465 for tls, 25 for none.'),
      tls: z
        .enum(['starttls', 'tls', 'none'])
        .prefault('starttls')
        .describe('Of smtp: how the connection is encrypted; none is only for a server on this machine.'),
      user: z.string().min(1).optional().describe('Of smtp: user to log in as; without it nobody logs in.'),
      password: secret("Of smtp: that user's password."),
      from: mailbox.optional().describe('Of smtp: the sender.'),
      to: z.array(mailbox).min(1).optional().describe('Of smtp: who gets the mail; a list.'),
      events: z
        .array(z.enum(NOTICE_KINDS))
        .min(1)
        .optional()
        .describe('What it is told of; without it everything.'),
      hosts: z
        .array(z.string().min(1))
        .min(1)
        .optional()
        .describe('Of what is about a host or VM, only that on these hosts; a list.'),
      vms: z
        .array(z.string().min(1))
        .min(1)
        .optional()
        .describe('Of what is about a VM, only these; a list of names, in which * is any characters.'),
      delay: duration
        .prefault('10s')
        .describe('How long something stands before it is told; what is mended by then is not.'),
    })
    .transform((written, ctx): ReceiverSettings => {
      const { name, events, hosts, vms, delay } = written;
      const way = wayOf(written);
      if ('problem' in way) {
        ctx.addIssue({ code: 'custom', message: way.problem, path: [way.key] });
        return z.NEVER;
      }
      return { name, way, interest: { events: events ?? NOTICE_KINDS, hosts, vms }, delayMs: delay };
    });
}

interface HiddenUrl {
  readonly url: Secret;
  /** It stands in a place for secrets, and not in operator.yaml. */
  readonly isHidden: boolean;
}

/** Never repeated in a message: with most receivers the whole of it is a secret. */
function urlSchema(context: ConfigContext) {
  return z
    .union([z.string(), z.strictObject(secretFields(context))], 'expected a URL, {file: PATH} or {env: NAME}')
    .transform((written, ctx): HiddenUrl => {
      const isHidden = typeof written !== 'string';
      const url = isHidden ? readSecret(context, written, ctx) : new Secret(written);
      // What was wrong with its place is said already.
      if (!(url instanceof Secret)) return z.NEVER;
      const problem = problemOfUrl(url.reveal());
      if (problem === undefined) return { url, isHidden };
      ctx.addIssue({ code: 'custom', message: problem });
      return z.NEVER;
    })
    .optional()
    .describe(
      'Of all but smtp: a URL, {file: PATH} or {env: NAME}. That of slack and mattermost is a secret, so one of the latter.',
    );
}

function problemOfUrl(text: string): string | undefined {
  if (!URL.canParse(text)) return 'expected a URL, as in https://hooks.example.org/x';
  const { protocol, hostname, username, password } = new URL(text);
  if (username !== '' || password !== '') return 'it holds a user or a password: nobody would be told by it';
  if (protocol === 'https:' || (protocol === 'http:' && isLoopback(hostname))) return undefined;
  return `expected https, as others would read along; got ${protocol.slice(0, -1)}`;
}

interface Written {
  readonly kind: (typeof RECEIVER_KINDS)[number];
  readonly url?: HiddenUrl | undefined;
  readonly secret?: Secret | undefined;
  readonly host?: string | undefined;
  readonly port?: number | undefined;
  readonly tls: keyof typeof PORTS;
  readonly user?: string | undefined;
  readonly password?: Secret | undefined;
  readonly from?: string | undefined;
  readonly to?: readonly string[] | undefined;
}

interface Problem {
  readonly problem: string;
  readonly key: string;
}

const MAIL_ONLY = ['host', 'port', 'user', 'password', 'from', 'to'] as const;

function wayOf(written: Written): Way | Problem {
  if (written.kind === 'smtp') return mailWay(written);
  const { kind, url, secret } = written;
  const foreign = MAIL_ONLY.find((key) => written[key] !== undefined);
  if (foreign !== undefined) return { key: foreign, problem: `only smtp has one, and this is ${kind}` };
  if (url === undefined)
    return { key: 'url', problem: `${kind} posts to a URL: {file: PATH} or {env: NAME}` };
  if (kind === 'webhook') return { kind, url: url.url, secret };
  if (secret !== undefined)
    return { key: 'secret', problem: `only a webhook is signed: ${kind} knows us by the URL` };
  if (!url.isHidden)
    return {
      key: 'url',
      problem: `that of ${kind} is a secret: put it in a file ({file: PATH}) or {env: NAME}`,
    };
  return { kind, url: url.url };
}

function mailWay({ url, secret, host, port, tls, user, password, from, to }: Written): Way | Problem {
  if (url !== undefined) return { key: 'url', problem: 'smtp has a host and a port instead' };
  if (secret !== undefined) return { key: 'secret', problem: 'only a webhook is signed' };
  if (host === undefined) return { key: 'host', problem: 'smtp needs a mail server' };
  if (from === undefined) return { key: 'from', problem: 'smtp needs a sender' };
  if (to === undefined) return { key: 'to', problem: 'smtp needs somebody who gets the mail' };
  if (tls === 'none' && !isLoopback(host))
    return { key: 'tls', problem: `none is only for a server on this machine, and ${host} is another` };
  if ((user === undefined) !== (password === undefined))
    return { key: user === undefined ? 'user' : 'password', problem: 'a login has a user and a password' };
  const login = user === undefined || password === undefined ? undefined : { user, password };
  return { kind: 'smtp', host, port: port ?? PORTS[tls], tls, login, from, to };
}
