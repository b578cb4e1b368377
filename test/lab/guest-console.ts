import type { LabHost } from './host.ts';

/** What a guest says on its console within a moment, line by line. The first of it may be long past. */
export async function listen(host: LabHost, vm: string): Promise<readonly string[]> {
  const pty = (await host.virsh('ttyconsole', vm)).trim();
  const heard = await host.exec(['sh', '-c', 'timeout 1.5 cat "$0"; true', pty]);
  return heard.split(/[\r\n]+/);
}

/** How far a guest has counted the seconds of a boot; undefined: it has said nothing. */
export async function counted(
  host: LabHost,
  vm: string,
): Promise<{ readonly count: number; readonly boot: string } | undefined> {
  const lines = (await listen(host, vm)).flatMap((line) => {
    const [, count, boot] = /^guest count (\d+) of ([0-9a-f-]{36})$/.exec(line) ?? [];
    return boot === undefined ? [] : { count: Number(count), boot };
  });
  return lines.at(-1);
}
