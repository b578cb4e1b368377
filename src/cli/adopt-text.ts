import type { Colors } from 'picocolors/types.js';
import type { Adopted } from './adopt.ts';

/** What becomes of each VM of a host, for the person who is about to commit it. */
export function adoptionText(host: string, adopted: readonly Adopted[], colors: Colors): string {
  if (adopted.length === 0) return `${host} has no VM\n`;
  const lines = adopted.flatMap(([{ vm }, adoption]) => {
    const name = colors.bold(vm.name);
    if (adoption.kind === 'marked') return [`${name}  ${colors.dim(`left out: ${adoption.reason}`)}`];
    if (adoption.kind === 'refused') return [`${name}  ${colors.red(`not adopted: ${adoption.reason}`)}`];
    const volumes = adoption.volumes.map(({ pool, name: volume }) => `${pool}/${volume}`);
    const purge = volumes.length === 0 ? 'none of its disks' : volumes.join(', ');
    return [
      `${name}  ${colors.green('adopted')}; removed from git and kept until its date, a purge deletes ${purge}`,
      ...adoption.notes.map((note) => colors.yellow(`  ${note}`)),
    ];
  });
  return `${lines.join('\n')}\n`;
}
