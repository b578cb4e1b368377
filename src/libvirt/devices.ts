import { type BitOptions, bitsOf } from './bits.ts';
import type { RpcConnection } from './connection.ts';
import { IMPACT } from './domains.ts';
import type { CallOptions } from './pending-calls.ts';
import { METADATA } from './protocol/domain.ts';
import type { DomainRef } from './protocol/procedure.ts';

type Impact = BitOptions<typeof IMPACT>;

/** VIR_DOMAIN_BLOCK_RESIZE_BYTES: the size is in bytes, not KiB. */
const RESIZE_IN_BYTES = 1;

/** What can be done with the devices of a domain, and with what people call it. */
export function deviceCalls(rpc: RpcConnection) {
  const change = (
    procedure: 'domainAttachDeviceFlags' | 'domainDetachDeviceFlags' | 'domainUpdateDeviceFlags',
  ) => {
    return async (domain: DomainRef, xml: string, options: Impact = {}): Promise<void> => {
      await rpc.call(procedure, { domain, xml, flags: bitsOf(IMPACT, options) }, options);
    };
  };
  return {
    /** Rejects with OPERATION_FAILED or INVALID_ARG where the target is taken; libvirt does not say so the same way live and in the config. */
    attach: change('domainAttachDeviceFlags'),

    /**
     * Takes the device out that the XML describes. Live this only asks the guest to let go: the device is gone when the
     * domain's XML no longer has it.
     */
    detach: change('domainDetachDeviceFlags'),

    /** Puts another description in the place of a device: an interface is found by its MAC address. */
    update: change('domainUpdateDeviceFlags'),

    /** Gives a disk of a running domain, by its target, another size: its file, and what the guest sees. */
    async resizeDisk(
      domain: DomainRef,
      { target, bytes }: { readonly target: string; readonly bytes: number },
      options?: CallOptions,
    ): Promise<void> {
      const args = { domain, disk: target, size: bytes, flags: RESIZE_IN_BYTES };
      await rpc.call('domainBlockResize', args, options);
    },

    /** Sets the title or the description; undefined takes it away. A title has no line breaks. */
    async setText(
      domain: DomainRef,
      { what, text }: { readonly what: 'title' | 'description'; readonly text: string | undefined },
      options: Impact = {},
    ): Promise<void> {
      const flags = bitsOf(IMPACT, options);
      const args = { domain, type: METADATA[what], metadata: text, key: undefined, uri: undefined, flags };
      await rpc.call('domainSetMetadata', args, options);
    },
  };
}

export type Devices = ReturnType<typeof deviceCalls>;
