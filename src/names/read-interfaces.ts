import { z } from 'zod';
import type { Interface } from '../core/observed-names.ts';
import { OperatorError } from '../errors.ts';
import type { Machine } from './machine.ts';

/** What we need of `ip -json address`. */
const ipOutput = z.array(
  z.object({
    ifname: z.string().optional(),
    addr_info: z.array(z.object({ local: z.string().optional(), prefixlen: z.int().optional() })).optional(),
  }),
);

/** The IPv4 addresses of the machine. */
export async function readInterfaces(machine: Machine, signal?: AbortSignal): Promise<Interface[]> {
  const argv = ['ip', '-4', '-json', 'address', 'show'];
  const { code, stdout, stderr } = await machine.run(argv, signal);
  if (code !== 0)
    throw new OperatorError('E_DNSMASQ', `${machine.name}: ${argv.join(' ')}: ${stderr.trim()}`);
  return ipOutput
    .parse(JSON.parse(stdout))
    .flatMap(({ ifname, addr_info: addresses = [] }) =>
      addresses.flatMap(({ local, prefixlen }) =>
        ifname === undefined || local === undefined || prefixlen === undefined
          ? []
          : [{ name: ifname, address: local, prefix: prefixlen }],
      ),
    );
}
