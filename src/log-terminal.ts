import pc from 'picocolors';

const COLORS: Readonly<Record<string, (text: string) => string>> = {
  fatal: pc.red,
  error: pc.red,
  warn: pc.yellow,
  info: pc.green,
};

/** `14:03:07 warn  host unreachable host=kvm-a err="..."` in local time; the stack of a bug follows, indented. */
export function formatRecord(record: Readonly<Record<string, unknown>>): string {
  const { level, time, msg, ...fields } = record;
  const name = text(level);
  const color = COLORS[name] ?? pc.dim;
  const pairs = Object.entries(fields).map(
    ([key, value]) => `${pc.dim(`${printable(key)}=`)}${formatValue(value)}`,
  );
  const line = [pc.dim(formatTime(text(time))), color(name.padEnd(5)), printable(text(msg)), ...pairs].join(
    ' ',
  );
  return [line, ...stackLines(fields['err'])].join('\n');
}

function formatTime(iso: string): string {
  const time = new Date(iso);
  return [time.getHours(), time.getMinutes(), time.getSeconds()]
    .map((part) => String(part).padStart(2, '0'))
    .join(':');
}

function formatValue(value: unknown): string {
  const plain = isLoggedError(value) ? describe(value) : value;
  if (typeof plain !== 'string') return printable(JSON.stringify(plain));
  return printable(/^[^\s"=\p{C}]+$/u.test(plain) ? plain : JSON.stringify(plain));
}

interface LoggedError {
  readonly message: string;
  readonly code?: unknown;
  readonly stack?: unknown;
  readonly cause?: unknown;
}

function isLoggedError(value: unknown): value is LoggedError {
  return (
    typeof value === 'object' && value !== null && 'message' in value && typeof value.message === 'string'
  );
}

/** Code and message, then each cause that adds something. */
function describe({ code, message, cause }: LoggedError): string {
  const own = code === undefined ? message : `${text(code)} ${message}`;
  if (!isLoggedError(cause) || message.includes(cause.message)) return own;
  return `${own} <- ${describe(cause)}`;
}

function stackLines(error: unknown): string[] {
  if (!isLoggedError(error)) return [];
  const own =
    typeof error.stack === 'string'
      ? error.stack.split('\n').map((line) => `    ${printable(line.trim())}`)
      : [];
  return [...own, ...stackLines(error.cause)];
}

/** A host's or a remote's words must not move the cursor, recolour the terminal or reverse the line. */
function printable(words: string): string {
  return words.replace(/[\p{Cc}\p{Cf}]/gu, (character) => `\\u{${character.codePointAt(0)?.toString(16)}}`);
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : (JSON.stringify(value) ?? '');
}
