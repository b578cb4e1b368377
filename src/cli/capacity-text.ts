import type { Amount, HostCapacity } from '../core/capacity.ts';
import { formatBytes, formatMiB } from '../core/capacity-check.ts';
import { formatTable } from './table.ts';

/** Per host: what it has, what may be promised, what runs now, what git wants, and what would be left. */
export function capacityText(hosts: readonly HostCapacity[]): string {
  return hosts.map(hostText).join('\n\n');
}

function hostText(host: HostCapacity): string {
  const rows = [
    [host.host, 'total', 'limit', 'used now', 'with git', 'available'],
    row('vcpus', host.vcpus, String),
    row('memory', host.memoryMiB, formatMiB),
    ['max memory', '', '', formatMiB(host.maxMemoryMiB.used), formatMiB(host.maxMemoryMiB.wanted), ''],
    ...host.pools.map((pool) => row(`pool ${pool.name}`, pool, formatBytes)),
  ];
  const strangers =
    host.strangers.length === 0 ? '' : `\nnot ours, and counted: ${host.strangers.join(', ')}`;
  const unknown = host.unknown.map((sentence) => `\n${sentence}`).join('');
  return formatTable(rows, { right: [1, 2, 3, 4, 5] }) + unknown + strangers;
}

function row(name: string, amount: Amount, format: (value: number) => string): string[] {
  const { total, limit, used, wanted } = amount;
  return [name, ...[total, limit, used, wanted, limit - wanted].map(format)];
}
