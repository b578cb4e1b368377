const REDACTED = '***';

/** Fields that hold a secret themselves. One that names a file (`tokenFile`) is a path and stays readable. */
const SECRET_KEY =
  /(?:password|passwd|passphrase|secret|token|privatekey|apikey|authorization|credentials?|cookie|signature|userdata|cloudinit)$/;

/** Each takes time in proportion to the text: repetitions are bounded or cannot start twice. */
const PATTERNS: readonly (readonly [RegExp, string])[] = [
  // Over http the user's name may be a token; elsewhere it is a name, and only a password is secret.
  [/\b(https?:\/\/)[^\s/'"]*@/gi, `$1${REDACTED}@`],
  [/\b([a-z][a-z0-9+.-]{0,30}:\/\/[^\s/@:'"]*):[^\s/'"]*@/gi, `$1:${REDACTED}@`],
  [/-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)/g, REDACTED],
  [/\b(?:gh[opsur]_|github_pat_|glpat-|gldt-|AGE-SECRET-KEY-1)[\w-]{10,}/g, REDACTED],
  [/\b(authorization\s*[:=]\s*)[^\r\n'"]+/gi, `$1${REDACTED}`],
  [/\b(bearer\s+)[\w.~+/=-]{8,}/gi, `$1${REDACTED}`],
  [/((?:password|passwd|passphrase)["']?\s*[:=]\s*["']?)[^\s"'&,;]+/gi, `$1${REDACTED}`],
  [/((?:token|secret|api[-_]?key|signature)=["']?)[^\s"'&,;]+/gi, `$1${REDACTED}`],
];

/** Takes what looks like a secret out of a text: URL credentials, private keys, tokens, `password=...`. */
export function redactText(text: string): string {
  return PATTERNS.reduce((clean, [pattern, by]) => clean.replace(pattern, by), text);
}

/** For `JSON.parse`: blanks every field whose name says that it is a secret, and redacts every text. */
export function redactField(key: string, value: unknown): unknown {
  const isFlag = value === null || typeof value === 'boolean';
  if (!isFlag && SECRET_KEY.test(key.toLowerCase().replace(/[-_]/g, ''))) return REDACTED;
  return typeof value === 'string' ? redactText(value) : value;
}
