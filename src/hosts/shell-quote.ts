/** Joins an argument list to one POSIX shell command; each argument reaches the program byte for byte. */
export function shellQuote(argv: readonly string[]): string {
  return argv.map(quoteArgument).join(' ');
}

function quoteArgument(argument: string): string {
  if (argument.includes('\0')) throw new TypeError('a command argument cannot contain a NUL byte');
  if (/^[A-Za-z0-9_@%+:,./-]+$/.test(argument)) return argument;
  return `'${argument.replaceAll("'", String.raw`'\''`)}'`;
}
