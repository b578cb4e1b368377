import { once } from 'node:events';
import { SMTPServer, type SMTPServerOptions } from 'smtp-server';
import { onTestFinished } from 'vitest';

export interface Mail {
  readonly from: string;
  readonly to: readonly string[];
  /** Head and text, as they came. */
  readonly text: string;
  readonly isEncrypted: boolean;
  /** Who had logged in. */
  readonly user: string | undefined;
}

export interface StubMailServer {
  readonly port: number;
  readonly mails: readonly Mail[];
  /** Passwords that came, right or wrong. */
  readonly passwords: readonly string[];
}

export interface StubMailOptions extends SMTPServerOptions {
  /** The right one; without it nobody logs in. */
  readonly password?: string;
  /** Answers the text of a mail with this code. */
  readonly refuseWith?: number;
}

/** A mail server on loopback that keeps what it is given; the caller ends it. */
export async function openMailServer({ password, refuseWith, ...options }: StubMailOptions) {
  const mails: Mail[] = [];
  const passwords: string[] = [];
  const server = new SMTPServer({
    ...options,
    logger: false,
    authOptional: password === undefined,
    onAuth({ username, password: given }, _session, callback) {
      passwords.push(given ?? '');
      if (given === password) callback(null, { user: username ?? '' });
      // As servers of old do that say the whole line back.
      else callback(new Error(`no such login: ${given}`));
    },
    onData(stream, session, callback) {
      const chunks: Buffer[] = [];
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.on('end', () => {
        const { mailFrom, rcptTo } = session.envelope;
        if (refuseWith !== undefined)
          return callback(Object.assign(new Error('not now'), { responseCode: refuseWith }));
        mails.push({
          from: mailFrom === false ? '' : mailFrom.address,
          to: rcptTo.map(({ address }) => address),
          text: Buffer.concat(chunks).toString(),
          isEncrypted: session.secure,
          user: typeof session.user === 'string' ? session.user : undefined,
        });
        callback(null);
      });
    },
  });
  server.on('error', () => undefined);
  const listener = server.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const address = listener.address();
  if (address === null || typeof address === 'string') throw new Error('the mail server does not listen');
  const close = () => new Promise<void>((resolve) => server.close(() => resolve()));
  return { port: address.port, mails, passwords, close };
}

/** As `openMailServer`, until the test ends. */
export async function stubMailServer(options: StubMailOptions = {}): Promise<StubMailServer> {
  const { close, ...stub } = await openMailServer(options);
  onTestFinished(close);
  return stub;
}
