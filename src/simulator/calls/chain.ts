import type { Calls } from '../calls.ts';
import { commit, endJob, jobOf, takeSnapshot } from '../chains.ts';
import { refOf } from '../domain.ts';

/** Snapshots, and jobs on the files behind a disk. */
export const chainCalls: Calls = {
  domainSnapshotCreateXml({ host }, { domain, xml, flags }) {
    const found = host.domains.byRef(domain);
    const name = takeSnapshot({ domain: found, storage: host.storage }, xml, flags);
    host.onChange();
    return { snapshot: { name, domain: refOf(found) } };
  },

  domainListAllSnapshots({ host }, { domain, needResults }) {
    const found = host.domains.byRef(domain);
    const snapshots = found.snapshots.map((name) => ({ name, domain: refOf(found) }));
    return { snapshots: needResults === 0 ? [] : snapshots, count: snapshots.length };
  },

  domainBlockCommit({ host }, { domain, disk, base, top, flags }) {
    commit({ domain: host.domains.byRef(domain), storage: host.storage }, { disk, base, top }, flags);
    host.onChange();
    return undefined;
  },

  domainGetBlockJobInfo: ({ host }, { domain, disk }) => jobOf({ domain: host.domains.byRef(domain) }, disk),

  domainBlockJobAbort({ host }, { domain, disk, flags }) {
    endJob({ domain: host.domains.byRef(domain), storage: host.storage }, disk, flags);
    host.onChange();
    return undefined;
  },
};
