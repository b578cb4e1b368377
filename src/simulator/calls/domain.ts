import type { Calls } from '../calls.ts';
import { refOf } from '../domain.ts';
import {
  getMetadata,
  getVcpus,
  requireAddresses,
  setMemory,
  setMetadata,
  setVcpus,
} from '../domain-edits.ts';
import { DOMAIN_FILTERS, passes, stateOf } from '../domain-filter.ts';
import { allowFlags } from '../failure.ts';
import { statsOf } from '../stats.ts';

const XML_FLAGS = 0xf;
const XML_INACTIVE = 2;
const DEFINE_VALIDATE = 1;
/** virConnectGetAllDomainStatsFlags: the filters, and those that change how much is asked. */
const STATS_FLAGS = 0xe000_00ff;

export const domainCalls: Calls = {
  connectListAllDomains({ host }, { needResults, flags }) {
    allowFlags(flags, DOMAIN_FILTERS, 'qemu', 'qemuConnectListAllDomains');
    const found = host.domains.all().filter((domain) => passes(domain, flags));
    return { domains: needResults === 0 ? [] : found.map(refOf), count: found.length };
  },

  domainLookupByName: ({ host }, { name }) => ({ domain: refOf(host.domains.byName(name)) }),
  domainLookupByUuid: ({ host }, { uuid }) => ({ domain: refOf(host.domains.byUuid(uuid)) }),

  domainGetXmlDesc({ host }, { domain, flags }) {
    const found = host.domains.byRef(domain);
    allowFlags(flags, XML_FLAGS, 'qemu', 'qemuDomainGetXMLDesc');
    return { xml: host.domains.xml(found, (flags & XML_INACTIVE) !== 0) };
  },

  domainDefineXmlFlags({ host }, { xml, flags }) {
    allowFlags(flags, DEFINE_VALIDATE, 'qemu', 'qemuDomainDefineXMLFlags');
    return { domain: refOf(host.domains.define(xml, flags === DEFINE_VALIDATE)) };
  },

  domainUndefineFlags({ host }, { domain, flags }) {
    host.domains.undefine(host.domains.byRef(domain), flags);
    return undefined;
  },

  domainCreateWithFlags({ host }, { domain, flags }) {
    const found = host.domains.byRef(domain);
    host.domains.start(found, flags);
    return { domain: refOf(found) };
  },

  domainResume({ host }, { domain }) {
    host.domains.resume(host.domains.byRef(domain));
    return undefined;
  },

  domainDestroyFlags({ host }, { domain, flags }) {
    host.domains.destroy(host.domains.byRef(domain), flags);
    return undefined;
  },

  domainShutdownFlags({ host }, { domain, flags }) {
    host.domains.shutdown(host.domains.byRef(domain), flags);
    return undefined;
  },

  domainGetState: ({ host }, { domain }) => stateOf(host.domains.byRef(domain)),

  domainGetAutostart: ({ host }, { domain }) => ({ autostart: host.domains.byRef(domain).autostart }),

  domainSetAutostart({ host }, { domain, autostart }) {
    host.domains.setAutostart(host.domains.byRef(domain), autostart);
    return undefined;
  },

  domainManagedSave({ host }, { domain, flags }) {
    host.domains.managedSave(host.domains.byRef(domain), flags);
    return undefined;
  },

  domainHasManagedSaveImage: ({ host }, { domain }) => ({
    present: host.domains.byRef(domain).saved !== undefined,
  }),

  domainManagedSaveRemove({ host }, { domain }) {
    host.domains.removeManagedSave(host.domains.byRef(domain));
    return undefined;
  },

  domainSetMetadata({ host }, { domain, ...change }) {
    const found = host.domains.byRef(domain);
    setMetadata(found, change);
    host.events.metadataChange(refOf(found), change.type, change.uri);
    host.onChange();
    return undefined;
  },

  domainGetMetadata: ({ host }, { domain, ...question }) => ({
    metadata: getMetadata(host.domains.byRef(domain), question),
  }),

  domainSetMemoryFlags({ host }, { domain, memoryKiB, flags }) {
    setMemory(host.domains.byRef(domain), memoryKiB, flags);
    host.onChange();
    return undefined;
  },

  domainSetVcpusFlags({ host }, { domain, vcpus, flags }) {
    setVcpus(host.domains.byRef(domain), vcpus, flags);
    host.onChange();
    return undefined;
  },

  domainGetVcpusFlags: ({ host }, { domain, flags }) => ({
    vcpus: getVcpus(host.domains.byRef(domain), flags),
  }),

  domainInterfaceAddresses({ host }, { domain, source }) {
    requireAddresses(host.domains.byRef(domain), source);
    return { interfaces: [] };
  },

  connectGetAllDomainStats({ host }, { domains, stats, flags }) {
    allowFlags(flags, STATS_FLAGS, 'qemu', 'qemuConnectGetAllDomainStats');
    const wanted = new Set(domains.map(({ uuid }) => uuid));
    const found = host.domains
      .all()
      .filter((domain) => (wanted.size === 0 || wanted.has(domain.uuid)) && passes(domain, flags & 0xff));
    return {
      records: found.map((domain) => ({
        domain: refOf(domain),
        params: statsOf(domain, stats, host.storage),
      })),
    };
  },
};
