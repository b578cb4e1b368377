import { spawn } from 'node:child_process';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { basename, dirname } from 'node:path';
import { onTestFinished } from 'vitest';

export interface HttpRemoteOptions {
  /** Asked for as the password; without it nobody is asked. */
  readonly token?: string | (() => string);
  /** Answers a push with 403. */
  readonly readOnly?: boolean;
  /** Takes requests and never answers. */
  readonly silent?: boolean;
  /** Answers with a redirect to there. */
  readonly redirect?: string;
  /** What goes wrong with a request; `isPush`: it brings objects. Undefined: nothing does. */
  readonly fault?: (isPush: boolean) => Fault | undefined;
}

/**
 * `dropped`: the connection is gone before anything was done; `cut`: everything is done, and nobody hears of it; `busy`: 503;
 * `waitMs`: the answer takes its time.
 */
export type Fault = 'dropped' | 'cut' | 'busy' | { readonly waitMs: number };

export interface HttpRemote {
  readonly url: string;
  /** The Authorization headers that came, decoded. */
  readonly logins: readonly string[];
}

/** Serves a bare repository over smart HTTP on loopback, by git's own `http-backend`, until the test ends. */
export async function serveHttp(bare: string, options: HttpRemoteOptions = {}): Promise<HttpRemote> {
  const logins: string[] = [];
  const token = () => (typeof options.token === 'function' ? options.token() : options.token);
  const server = createServer((request, response) => {
    const login = decodeLogin(request);
    if (login !== undefined) logins.push(login);
    if (options.silent) return;
    const isPush = request.method === 'POST' && request.url?.endsWith('/git-receive-pack') === true;
    const fault = options.fault?.(isPush);
    if (options.redirect !== undefined) {
      response.writeHead(302, { location: options.redirect + (request.url ?? '') }).end();
    } else if (token() !== undefined && !login?.endsWith(`:${token()}`)) {
      response.writeHead(401, { 'www-authenticate': 'Basic realm="git"' }).end('who are you?');
    } else if (options.readOnly && request.url?.includes('git-receive-pack')) {
      response.writeHead(403).end('this deploy key may only read');
    } else if (fault === 'dropped') {
      request.destroy();
    } else if (fault === 'busy') {
      response.writeHead(503).end();
    } else {
      const answer = () => runBackend(bare, request, response, fault === 'cut');
      setTimeout(answer, typeof fault === 'object' ? fault.waitMs : 0).unref();
    }
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  onTestFinished(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the server has no port');
  return { url: `http://127.0.0.1:${address.port}/${basename(bare)}`, logins };
}

function decodeLogin({ headers }: IncomingMessage): string | undefined {
  const [, value] = /^Basic (.+)$/.exec(headers.authorization ?? '') ?? [];
  return value === undefined ? undefined : Buffer.from(value, 'base64').toString();
}

/** One CGI call. */
function runBackend(bare: string, request: IncomingMessage, response: ServerResponse, isCut: boolean): void {
  const url = new URL(request.url ?? '/', 'http://localhost');
  const child = spawn('git', ['http-backend'], {
    env: {
      PATH: process.env.PATH,
      GIT_CONFIG_GLOBAL: '/dev/null',
      GIT_PROJECT_ROOT: dirname(bare),
      GIT_HTTP_EXPORT_ALL: '1',
      GIT_PROTOCOL: request.headers['git-protocol']?.toString() ?? '',
      REMOTE_USER: 'test',
      REMOTE_ADDR: '127.0.0.1',
      REQUEST_METHOD: request.method,
      PATH_INFO: decodeURIComponent(url.pathname),
      QUERY_STRING: url.search.slice(1),
      CONTENT_TYPE: request.headers['content-type'] ?? '',
      HTTP_CONTENT_ENCODING: request.headers['content-encoding']?.toString() ?? '',
      ...(request.headers['content-length'] === undefined
        ? {}
        : { CONTENT_LENGTH: request.headers['content-length'] }),
    },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  child.stdin.on('error', () => undefined);
  request.pipe(child.stdin);
  const chunks: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
  child.on('close', () => {
    if (isCut) return void response.destroy();
    const output = Buffer.concat(chunks);
    const end = output.indexOf('\r\n\r\n');
    for (const line of output.subarray(0, end).toString().split('\r\n')) {
      const [, name = '', value = ''] = /^([^:]+): (.*)$/.exec(line) ?? [];
      if (name === 'Status') response.statusCode = Number.parseInt(value, 10);
      else response.setHeader(name, value);
    }
    response.end(output.subarray(end + 4));
  });
}
