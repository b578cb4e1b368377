import type { Calls } from '../calls.ts';
import { attachDevice, type DeviceCall, detachDevice, resizeDisk, updateDevice } from '../devices.ts';
import type { SimulatedHost } from '../host.ts';
import type { Caller } from './caller.ts';

export const deviceCalls: Calls = {
  domainAttachDeviceFlags: changing(attachDevice),
  domainDetachDeviceFlags: changing(detachDevice),
  domainUpdateDeviceFlags: changing(updateDevice),

  domainBlockResize({ host }, { domain, disk, size }) {
    resizeDisk({ domain: host.domains.byRef(domain), storage: host.storage }, { disk, size });
    return undefined;
  },
};

function changing(change: (call: DeviceCall) => void) {
  return ({ host }: Caller, args: { domain: Ref; xml: string; flags: number }): undefined => {
    const { xml, flags } = args;
    const { facts, storage } = host;
    const running = host.domains.all().flatMap(({ run }) => run ?? []);
    change({ domain: host.domains.byRef(args.domain), xml, flags, facts, storage, running });
    host.onChange();
    return undefined;
  };
}

type Ref = Parameters<SimulatedHost['domains']['byRef']>[0];
