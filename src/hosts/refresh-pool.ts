import { isLibvirtError } from '../libvirt/errors.ts';
import type { Libvirt } from '../libvirt/libvirt.ts';

type PoolRef = Parameters<Libvirt['pools']['refresh']>[0];

/** Makes libvirt look at a pool's files again; where it will not now, what it knows has to do. */
export async function refreshPool(
  client: Libvirt,
  pool: PoolRef,
  options: { readonly signal?: AbortSignal } = {},
): Promise<void> {
  try {
    await client.pools.refresh(pool, options);
  } catch (error) {
    // Inactive, not readable, or a volume is being made in it just now.
    if (!isLibvirtError(error, 'OPERATION_INVALID', 'INTERNAL_ERROR', 'OPERATION_FAILED', 'SYSTEM_ERROR'))
      throw error;
  }
}
