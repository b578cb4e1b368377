import { typedParams } from '../typed-params.ts';
import { array, flag, int, nothing, optional, string, struct, uhyper, uint, uuid } from '../xdr.ts';
import { domainRef, LIST_MAX, procedure } from './procedure.ts';

/** REMOTE_CONNECT_GET_ALL_DOMAIN_STATS_MAX. */
const STATS_MAX = 262_144;

const domainAndFlags = struct({ domain: domainRef, flags: uint });
const domainOnly = struct({ domain: domainRef });
const domainAndDevice = struct({ domain: domainRef, xml: string, flags: uint });

/** virDomainMetadataType. */
export const METADATA = { description: 0, title: 1, element: 2 } as const;

/** REMOTE_DOMAIN_INTERFACE_MAX and REMOTE_DOMAIN_IP_ADDR_MAX. */
const INTERFACES_MAX = 2048;

const interfaceAddresses = struct({
  name: string,
  mac: optional(string),
  addresses: array(struct({ type: int, address: string, prefix: uint }), INTERFACES_MAX),
});

export const domainProcedures = {
  domainGetXmlDesc: procedure(14, domainAndFlags, struct({ xml: string })),
  domainGetAutostart: procedure(15, domainOnly, struct({ autostart: flag })),
  domainLookupByName: procedure(23, struct({ name: string }), domainOnly),
  domainLookupByUuid: procedure(24, struct({ uuid }), domainOnly),
  domainSetAutostart: procedure(29, struct({ domain: domainRef, autostart: flag }), nothing),
  domainAttachDeviceFlags: procedure(160, domainAndDevice, nothing),
  domainDetachDeviceFlags: procedure(161, domainAndDevice, nothing),
  domainUpdateDeviceFlags: procedure(174, domainAndDevice, nothing),
  domainManagedSave: procedure(182, domainAndFlags, nothing),
  domainHasManagedSaveImage: procedure(183, domainAndFlags, struct({ present: flag })),
  domainManagedSaveRemove: procedure(184, domainAndFlags, nothing),
  domainCreateWithFlags: procedure(196, domainAndFlags, domainOnly),
  domainSetVcpusFlags: procedure(199, struct({ domain: domainRef, vcpus: uint, flags: uint }), nothing),
  domainGetVcpusFlags: procedure(200, domainAndFlags, struct({ vcpus: int })),
  domainSetMemoryFlags: procedure(
    204,
    struct({ domain: domainRef, memoryKiB: uhyper, flags: uint }),
    nothing,
  ),
  domainGetState: procedure(212, domainAndFlags, struct({ state: int, reason: int })),
  domainUndefineFlags: procedure(231, domainAndFlags, nothing),
  domainDestroyFlags: procedure(234, domainAndFlags, nothing),
  domainBlockResize: procedure(
    251,
    struct({ domain: domainRef, disk: string, size: uhyper, flags: uint }),
    nothing,
  ),
  domainShutdownFlags: procedure(258, domainAndFlags, nothing),
  domainSetMetadata: procedure(
    264,
    struct({
      domain: domainRef,
      type: int,
      metadata: optional(string),
      key: optional(string),
      uri: optional(string),
      flags: uint,
    }),
    nothing,
  ),
  domainGetMetadata: procedure(
    265,
    struct({ domain: domainRef, type: int, uri: optional(string), flags: uint }),
    struct({ metadata: string }),
  ),
  connectListAllDomains: procedure(
    273,
    struct({ needResults: int, flags: uint }),
    struct({ domains: array(domainRef, LIST_MAX), count: uint }),
  ),
  connectGetAllDomainStats: procedure(
    344,
    struct({ domains: array(domainRef, LIST_MAX), stats: uint, flags: uint }),
    struct({ records: array(struct({ domain: domainRef, params: typedParams(STATS_MAX) }), LIST_MAX) }),
  ),
  domainDefineXmlFlags: procedure(350, struct({ xml: string, flags: uint }), domainOnly),
  domainInterfaceAddresses: procedure(
    353,
    struct({ domain: domainRef, source: uint, flags: uint }),
    struct({ interfaces: array(interfaceAddresses, INTERFACES_MAX) }),
  ),
} as const;
