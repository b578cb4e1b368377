import { array, charArray, flag, int, nothing, optional, string, struct, uhyper, uint } from '../xdr.ts';
import { procedure } from './procedure.ts';

const AUTH_TYPES_MAX = 20;
const MEMORY_STATS_MAX = 16;

/** remote_auth_type. */
export const AUTH = { none: 0, sasl: 1, polkit: 2 } as const;

/** virDrvFeature, those that a client asks about. */
export const FEATURE = { keepalive: 10 } as const;

const nodeInfo = struct({
  model: charArray(32),
  memoryKiB: uhyper,
  cpus: int,
  mhz: int,
  nodes: int,
  sockets: int,
  cores: int,
  threads: int,
});

/** The connection itself, and the host behind it. */
export const connectProcedures = {
  connectOpen: procedure(1, struct({ name: optional(string), flags: uint }), nothing),
  connectClose: procedure(2, nothing, nothing),
  connectGetVersion: procedure(4, nothing, struct({ version: uhyper })),
  nodeGetInfo: procedure(6, nothing, nodeInfo),
  connectGetCapabilities: procedure(7, nothing, struct({ xml: string })),
  connectGetHostname: procedure(59, nothing, struct({ hostname: string })),
  connectSupportsFeature: procedure(60, struct({ feature: int }), struct({ supported: flag })),
  authList: procedure(66, nothing, struct({ types: array(int, AUTH_TYPES_MAX) })),
  authPolkit: procedure(70, nothing, struct({ complete: flag })),
  connectGetLibVersion: procedure(157, nothing, struct({ version: uhyper })),
  nodeGetMemoryStats: procedure(
    228,
    struct({ count: int, cell: int, flags: uint }),
    struct({ stats: array(struct({ field: string, valueKiB: uhyper }), MEMORY_STATS_MAX), count: int }),
  ),
  connectGetDomainCapabilities: procedure(
    342,
    struct({
      emulator: optional(string),
      arch: optional(string),
      machine: optional(string),
      virtType: optional(string),
      flags: uint,
    }),
    struct({ xml: string }),
  ),
} as const;
