import { array, flag, int, nothing, string, struct, uhyper, uint, uuid } from '../xdr.ts';
import { LIST_MAX, poolRef, procedure, volumeRef } from './procedure.ts';

const poolOnly = struct({ pool: poolRef });
const poolAndFlags = struct({ pool: poolRef, flags: uint });
const volumeOnly = struct({ volume: volumeRef });
const volumeAndFlags = struct({ volume: volumeRef, flags: uint });
const byteRange = struct({ volume: volumeRef, offsetBytes: uhyper, lengthBytes: uhyper, flags: uint });

export const storageProcedures = {
  storagePoolDefineXml: procedure(77, struct({ xml: string, flags: uint }), poolOnly),
  storagePoolCreate: procedure(78, poolAndFlags, nothing),
  storagePoolBuild: procedure(79, poolAndFlags, nothing),
  storagePoolDestroy: procedure(80, poolOnly, nothing),
  storagePoolUndefine: procedure(82, poolOnly, nothing),
  storagePoolRefresh: procedure(83, poolAndFlags, nothing),
  storagePoolLookupByName: procedure(84, struct({ name: string }), poolOnly),
  storagePoolLookupByUuid: procedure(85, struct({ uuid }), poolOnly),
  storagePoolGetInfo: procedure(
    87,
    poolOnly,
    struct({ state: uint, capacityBytes: uhyper, allocationBytes: uhyper, availableBytes: uhyper }),
  ),
  storagePoolGetXmlDesc: procedure(88, poolAndFlags, struct({ xml: string })),
  storagePoolGetAutostart: procedure(89, poolOnly, struct({ autostart: flag })),
  storagePoolSetAutostart: procedure(90, struct({ pool: poolRef, autostart: flag }), nothing),
  storagePoolIsActive: procedure(154, poolOnly, struct({ active: flag })),
  connectListAllStoragePools: procedure(
    281,
    struct({ needResults: int, flags: uint }),
    struct({ pools: array(poolRef, LIST_MAX), count: uint }),
  ),
  storagePoolListAllVolumes: procedure(
    282,
    struct({ pool: poolRef, needResults: int, flags: uint }),
    struct({ volumes: array(volumeRef, LIST_MAX), count: uint }),
  ),
  storageVolCreateXml: procedure(93, struct({ pool: poolRef, xml: string, flags: uint }), volumeOnly),
  storageVolDelete: procedure(94, volumeAndFlags, nothing),
  storageVolLookupByName: procedure(95, struct({ pool: poolRef, name: string }), volumeOnly),
  storageVolLookupByPath: procedure(97, struct({ path: string }), volumeOnly),
  storageVolGetInfo: procedure(
    98,
    volumeOnly,
    struct({ type: int, capacityBytes: uhyper, allocationBytes: uhyper }),
  ),
  storageVolGetXmlDesc: procedure(99, volumeAndFlags, struct({ xml: string })),
  storageVolGetPath: procedure(100, volumeOnly, struct({ path: string })),
  storageVolCreateXmlFrom: procedure(
    125,
    struct({ pool: poolRef, xml: string, source: volumeRef, flags: uint }),
    volumeOnly,
  ),
  storageVolUpload: procedure(208, byteRange, nothing),
  storageVolDownload: procedure(209, byteRange, nothing),
  storageVolResize: procedure(
    260,
    struct({ volume: volumeRef, capacityBytes: uhyper, flags: uint }),
    nothing,
  ),
} as const;
