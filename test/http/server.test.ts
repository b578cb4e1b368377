import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { Counter, Registry } from 'prom-client';
import { describe, expect, it } from 'vitest';
import { startServer } from './fake-operator.ts';

describe('buildServer', () => {
  it('answers /healthz for as long as the process lives, ready or not', async () => {
    const { app } = startServer({ readiness: () => ({ ready: false, reason: 'stuck' }) });
    const answer = await app.inject('/healthz');
    expect(answer.statusCode).toBe(200);
    expect(answer.json()).toEqual({ status: 'ok' });
  });

  it.each([
    { ready: true, reason: 'the first pass has ended', status: 200 },
    { ready: false, reason: 'no pass has ended yet', status: 503 },
  ])('answers /readyz with $status when ready is $ready, and says why', async ({ ready, reason, status }) => {
    const { app } = startServer({ readiness: () => ({ ready, reason }) });
    const answer = await app.inject('/readyz');
    expect(answer.statusCode).toBe(status);
    expect(answer.json()).toEqual({ ready, reason });
  });

  it('serves the given registry and not the global one', async () => {
    const metrics = new Registry();
    new Counter({ name: 'ours_total', help: 'ours', registers: [metrics] }).inc();
    const answer = await startServer({ metrics }).app.inject('/metrics');
    expect(answer.headers['content-type']).toBe(metrics.contentType);
    expect(answer.body).toContain('ours_total 1');
  });

  it('serves the status as JSON', async () => {
    const answer = await startServer().app.inject('/api/status');
    expect(answer.statusCode).toBe(200);
    expect(answer.json()).toMatchObject({ v: 1, branch: 'main', hosts: [] });
  });

  it.each([
    { method: 'GET', url: '/', status: 404 },
    { method: 'GET', url: '/api/../etc/passwd', status: 404 },
    { method: 'GET', url: '/webhook', status: 404 },
    { method: 'DELETE', url: '/api/status', status: 404 },
    { method: 'GET', url: '/%zz', status: 400 },
    { method: 'GET', url: `/${'a'.repeat(5000)}`, status: 404 },
  ] as const)(
    'answers $method $url with $status as JSON that repeats nothing of it',
    async ({ method, url, status }) => {
      const answer = await startServer().app.inject({ method, url });
      expect(answer.statusCode).toBe(status);
      expect(Object.keys(answer.json())).toEqual(['error']);
      expect(answer.json().error).toMatch(/^[a-z ]+$/);
    },
  );

  it.each(['/healthz', '/readyz', '/metrics', '/api/status', '/nowhere', '/%zz'])(
    'puts the security headers on %s, and does not name the server',
    async (url) => {
      const { headers } = await startServer().app.inject(url);
      expect(headers).toMatchObject({
        'cache-control': 'no-store',
        'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
        'x-content-type-options': 'nosniff',
        'x-frame-options': 'DENY',
      });
      expect(headers).not.toHaveProperty('server');
      expect(headers).not.toHaveProperty('x-powered-by');
    },
  );

  it('answers 500 without a word of a bug, and logs it', async () => {
    const { app, logged } = startServer({
      status: () => {
        throw new TypeError('cannot read the cAnArY');
      },
    });
    const answer = await app.inject('/api/status');
    expect(answer.statusCode).toBe(500);
    expect(answer.json()).toEqual({ error: 'internal server error' });
    expect(logged.join('')).toMatch(/"level":"error".*cannot read the cAnArY.*request failed/);
  });

  it('limits headers, time and connections', () => {
    const { server } = startServer().app;
    expect(server.headersTimeout).toBe(10_000);
    expect(server.requestTimeout).toBe(30_000);
    expect(server.timeout).toBe(60_000);
    expect(server.maxConnections).toBe(128);
  });

  it('refuses headers over 16 KiB', async () => {
    const { app } = startServer();
    await app.listen({ host: '127.0.0.1', port: 0 });
    try {
      const { port } = new URL(app.listeningOrigin);
      const socket = connect(Number(port), '127.0.0.1');
      socket.write(`GET /healthz HTTP/1.1\r\nHost: x\r\nX-Long: ${'a'.repeat(20_000)}\r\n\r\n`);
      expect(await text(socket)).toMatch(/^HTTP\/1\.1 431 /);
    } finally {
      await app.close();
    }
  });
});
