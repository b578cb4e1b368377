const REDACTED = '***';

/** Takes URL credentials and the given secrets out of a text that came from git. */
export function redact(text: string, secrets: readonly string[] = []): string {
  const withoutUrls = text
    .replace(/\b(https?:\/\/)[^\s/'"]*@/gi, `$1${REDACTED}@`)
    .replace(/\b([a-z][a-z0-9+.-]*:\/\/[^\s/@:'"]*):[^\s/'"]*@/gi, `$1:${REDACTED}@`);
  return secrets
    .filter((secret) => secret !== '')
    .reduce((clean, secret) => clean.replaceAll(secret, REDACTED), withoutUrls);
}
