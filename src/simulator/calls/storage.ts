import type { Calls } from '../calls.ts';
import { allowFlags } from '../failure.ts';
import { definePool, POOL_FILTERS, poolInfo, poolPasses, renderPoolXml } from '../pools.ts';
import type { Pool } from '../storage.ts';
import { receiveVolume, sendVolume } from '../volume-stream.ts';
import { cloneVolume, createVolume, renderVolumeXml, resizeVolume } from '../volumes.ts';

/** VIR_STORAGE_VOL_FILE. */
const TYPE_FILE = 0;

export const storageCalls: Calls = {
  connectListAllStoragePools({ host }, { needResults, flags }) {
    allowFlags(flags, POOL_FILTERS, 'storage', 'storageConnectListAllStoragePools');
    const found = host.storage.pools().filter((pool) => poolPasses(pool, flags));
    return { pools: needResults === 0 ? [] : found.map(poolRefOf), count: found.length };
  },

  storagePoolLookupByName: ({ host }, { name }) => ({ pool: poolRefOf(host.storage.poolByName(name)) }),
  storagePoolLookupByUuid: ({ host }, { uuid }) => ({ pool: poolRefOf(host.storage.poolByUuid(uuid)) }),
  storagePoolGetInfo: ({ host }, { pool }) => poolInfo(host.storage, host.storage.poolByRef(pool)),
  storagePoolGetXmlDesc: ({ host }, { pool }) => ({
    xml: renderPoolXml(host.storage, host.storage.poolByRef(pool)),
  }),
  storagePoolIsActive: ({ host }, { pool }) => ({ active: host.storage.poolByRef(pool).active }),
  storagePoolGetAutostart: ({ host }, { pool }) => ({ autostart: host.storage.poolByRef(pool).autostart }),

  storagePoolSetAutostart({ host }, { pool, autostart }) {
    host.storage.setAutostart(host.storage.poolByRef(pool), autostart);
    return undefined;
  },

  storagePoolDefineXml: ({ host }, { xml }) => ({ pool: poolRefOf(definePool(host.storage, xml)) }),

  storagePoolBuild({ host }, { pool }) {
    host.storage.buildPool(host.storage.poolByRef(pool));
    return undefined;
  },

  storagePoolCreate({ host }, { pool }) {
    host.storage.startPool(host.storage.poolByRef(pool));
    return undefined;
  },

  storagePoolDestroy({ host }, { pool }) {
    host.storage.stopPool(host.storage.poolByRef(pool));
    return undefined;
  },

  storagePoolUndefine({ host }, { pool }) {
    host.storage.undefinePool(host.storage.poolByRef(pool));
    return undefined;
  },

  storagePoolRefresh({ host }, { pool }) {
    host.storage.refresh(host.storage.poolByRef(pool));
    return undefined;
  },

  storagePoolListAllVolumes({ host }, { pool, needResults }) {
    const { name, path, volumes } = host.storage.activePool(pool);
    const found = [...volumes].map((volume) => ({ pool: name, name: volume, key: `${path}/${volume}` }));
    return { volumes: needResults === 0 ? [] : found, count: found.length };
  },

  storageVolLookupByName({ host }, { pool, name }) {
    const { path, pool: found } = host.storage.volume({ pool: host.storage.activePool(pool).name, name });
    return { volume: { pool: found.name, name, key: path } };
  },

  storageVolLookupByPath: ({ host }, { path }) => ({ volume: host.storage.volumeByPath(path) }),

  storageVolGetInfo({ host }, { volume }) {
    const { capacityBytes, allocationBytes } = host.storage.volumeFile(volume).file;
    return { type: TYPE_FILE, capacityBytes, allocationBytes };
  },

  storageVolGetXmlDesc({ host }, { volume }) {
    const { path, file } = host.storage.volumeFile(volume);
    return { xml: renderVolumeXml(volume, { path, file, changedAt: host.storage.changedAt(path) }) };
  },

  storageVolGetPath: ({ host }, { volume }) => ({ path: host.storage.volume(volume).path }),

  storageVolCreateXml: ({ host }, { pool, xml }) => ({
    volume: createVolume(host.storage, host.storage.activePool(pool), xml),
  }),

  storageVolCreateXmlFrom: ({ host }, { pool, xml, source }) => ({
    volume: cloneVolume(host.storage, host.storage.activePool(pool), { xml, source }),
  }),

  storageVolDelete({ host }, { volume }) {
    host.storage.deleteVolume(volume);
    return undefined;
  },

  storageVolUpload(caller, range) {
    const { storage } = caller.host;
    storage.volumeFile(range.volume);
    caller.openStream((client) => receiveVolume(storage, range, client));
    return undefined;
  },

  storageVolDownload(caller, range) {
    const { storage } = caller.host;
    storage.volumeFile(range.volume);
    caller.openStream((client) => sendVolume(storage, range, client));
    return undefined;
  },

  storageVolResize({ host }, { volume, capacityBytes, flags }) {
    resizeVolume(host.storage, volume, { capacityBytes, flags });
    return undefined;
  },
};

function poolRefOf({ name, uuid }: Pool): { name: string; uuid: string } {
  return { name, uuid };
}
