import { array, flag, int, nothing, optional, string, struct, uhyper, uint } from '../xdr.ts';
import { domainRef, LIST_MAX, procedure } from './procedure.ts';

const snapshotRef = struct({ name: string, domain: domainRef });

/** Snapshots, and jobs on the files that a disk is made of. */
export const chainProcedures = {
  domainSnapshotCreateXml: procedure(
    185,
    struct({ domain: domainRef, xml: string, flags: uint }),
    struct({ snapshot: snapshotRef }),
  ),
  domainBlockJobAbort: procedure(237, struct({ domain: domainRef, disk: string, flags: uint }), nothing),
  domainGetBlockJobInfo: procedure(
    238,
    struct({ domain: domainRef, disk: string, flags: uint }),
    struct({ found: flag, type: int, bandwidth: uhyper, current: uhyper, end: uhyper }),
  ),
  domainListAllSnapshots: procedure(
    274,
    struct({ domain: domainRef, needResults: int, flags: uint }),
    struct({ snapshots: array(snapshotRef, LIST_MAX), count: int }),
  ),
  domainBlockCommit: procedure(
    290,
    struct({
      domain: domainRef,
      disk: string,
      base: optional(string),
      top: optional(string),
      bandwidth: uhyper,
      flags: uint,
    }),
    nothing,
  ),
} as const;
