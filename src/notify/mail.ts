import type { Transporter } from 'nodemailer';
import type { Message } from './message.ts';
import type { Verdict } from './verdict.ts';

/** A mail server and what it is to carry. */
export interface MailTarget {
  readonly host: string;
  readonly port: number;
  /** `starttls` and `tls` are insisted on, with a certificate that is right; `none` is for the machine itself. */
  readonly tls: 'starttls' | 'tls' | 'none';
  readonly login?: { readonly user: string; readonly password: () => string } | undefined;
  readonly from: string;
  readonly to: readonly string[];
}

const TIMEOUT_MS = 30_000;

/** Sends a message as a mail of plain text. Never throws. */
export function sendMail(target: MailTarget, message: Message, signal: AbortSignal): Promise<Verdict> {
  return withTransport(target, (transport) => transport.sendMail({ ...mailOf(target, message), signal }));
}

/** Connects and logs in, and sends nothing. Never throws. */
export function tryMailServer(target: MailTarget): Promise<Verdict> {
  return withTransport(target, (transport) => transport.verify());
}

async function withTransport(
  { host, port, tls, login }: MailTarget,
  use: (transport: Transporter) => Promise<unknown>,
): Promise<Verdict> {
  // Only who sends mail loads it.
  const { createTransport } = await import('nodemailer');
  const transport = createTransport({
    host,
    port,
    secure: tls === 'tls',
    requireTLS: tls === 'starttls',
    ignoreTLS: tls === 'none',
    tls: { minVersion: 'TLSv1.2' },
    connectionTimeout: TIMEOUT_MS,
    greetingTimeout: TIMEOUT_MS,
    socketTimeout: TIMEOUT_MS,
    disableFileAccess: true,
    disableUrlAccess: true,
    ...(login !== undefined && { auth: { user: login.user, pass: login.password() } }),
  });
  try {
    const problem = refusalIn(await use(transport));
    return { kind: 'done', ...(problem !== undefined && { problem }) };
  } catch (error) {
    return judgeMail(error);
  } finally {
    transport.close();
  }
}

/** Recipients that the server does not take, where it takes others. */
function refusalIn(sent: unknown): string | undefined {
  const rejected: unknown =
    typeof sent === 'object' && sent !== null && 'rejected' in sent ? sent.rejected : [];
  if (!Array.isArray(rejected) || rejected.length === 0) return undefined;
  const refused: readonly unknown[] = rejected;
  return `refused for ${refused.filter((one) => typeof one === 'string').join(', ')}`;
}

function mailOf({ from, to }: MailTarget, { id, headline, lines }: Message) {
  return {
    from,
    to: [...to],
    subject: headline,
    text: `${lines.join('\n')}\n`,
    messageId: `<${id}@kvm-gitops.invalid>`,
    // Out-of-office replies and ticket systems that answer each other stay away.
    headers: { 'Auto-Submitted': 'auto-generated' },
  };
}

/** A server's own words are not repeated: it may say our password back. */
function judgeMail(error: unknown): Verdict {
  const code: unknown = error instanceof Error && 'code' in error ? error.code : undefined;
  const answer: unknown = error instanceof Error && 'responseCode' in error ? error.responseCode : undefined;
  const words = [code, answer].filter((word) => typeof word === 'string' || typeof word === 'number');
  const why = words.join(' ') || 'no answer';
  const isFinal = typeof answer === 'number' && answer >= 500;
  return { kind: isFinal || code === 'EAUTH' ? 'denied' : 'again', why };
}
