import { redactText } from '../redact.ts';

const REDACTED = '***';

/** Takes what looks like a secret, and the given secrets, out of a text that came from git. */
export function redact(text: string, secrets: readonly string[] = []): string {
  return secrets
    .filter((secret) => secret !== '')
    .reduce((clean, secret) => clean.replaceAll(secret, REDACTED), redactText(text));
}
