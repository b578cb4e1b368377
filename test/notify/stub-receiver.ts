import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import { onTestFinished } from 'vitest';

/** A delivery, as it came. */
export interface Delivery {
  readonly headers: IncomingMessage['headers'];
  /** Byte for byte. */
  readonly body: string;
}

export interface Answer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface StubReceiver {
  readonly url: string;
  readonly deliveries: readonly Delivery[];
  /** Of the next deliveries, in order; then 200. */
  readonly answers: (Answer | 'hang up' | 'silence')[];
}

/** An HTTP server on loopback that keeps what is posted to it, until the test ends. */
export async function stubReceiver(...answers: StubReceiver['answers']): Promise<StubReceiver> {
  const deliveries: Delivery[] = [];
  const server = createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8').on('data', (more: string) => (body += more));
    request.on('end', () => {
      deliveries.push({ headers: request.headers, body });
      const answer = answers.shift() ?? { status: 200 };
      if (answer === 'silence') return;
      if (answer === 'hang up') request.socket.destroy();
      else response.writeHead(answer.status, answer.headers).end('x'.repeat(100_000));
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the stub does not listen');
  return { url: `http://127.0.0.1:${address.port}/hook/canary-url-4711`, deliveries, answers };
}
