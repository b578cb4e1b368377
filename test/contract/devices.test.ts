import { expect, it } from 'vitest';
import { renderDisk, renderNic } from '../../src/core/device-xml.ts';
import { parseDomain } from '../../src/core/domain-definition.ts';
import type { Libvirt } from '../../src/libvirt/libvirt.ts';
import type { DomainRef } from '../../src/libvirt/protocol/procedure.ts';
import { MIB, makeMachine, makeVolume } from './machine.ts';
import { failureOf, onEveryHost, POOL_PATH } from './site.ts';

const MAC = '52:54:00:12:34:56';
const NOT_RUNNING = 'Requested operation is not valid: domain is not running';
const PERSISTENT = { config: true };
const LIVE = { live: true };
const BOTH = { live: true, config: true };

onEveryHost('devices of a domain', (bench) => {
  it('attaches a disk to the config of a domain that is off', async () => {
    const { devices } = bench.libvirt;
    const domain = await makeMachine(bench.libvirt, 'web');
    await devices.attach(domain, await newDisk('vdb'), PERSISTENT);
    expect(await targets(domain)).toEqual(['vda', 'vdb']);
    expect(await failureOf(devices.attach(domain, disk('vdb'), PERSISTENT))).toEqual({
      code: 'OPERATION_INVALID',
      domain: 10,
      message: 'Requested operation is not valid: target vdb already exists',
    });
  });

  it('attaches to the config a disk whose file is not there', async () => {
    const domain = await makeMachine(bench.libvirt, 'web');
    await bench.libvirt.devices.attach(domain, disk('vdb'), PERSISTENT);
    expect(await targets(domain)).toEqual(['vda', 'vdb']);
  });

  it('attaches a disk to a running domain, and keeps config and running domain apart', async () => {
    const { devices } = bench.libvirt;
    const domain = await started();
    await devices.attach(domain, await newDisk('vdb'), LIVE);
    await devices.attach(domain, await newDisk('vdc'), PERSISTENT);
    expect(await targets(domain)).toEqual(['vda', 'vdc']);
    expect(await targets(domain, LIVE)).toEqual(['vda', 'vdb']);
    expect(await failureOf(devices.attach(domain, disk('vdb'), LIVE))).toEqual({
      code: 'XML_ERROR',
      domain: 20,
      message: `XML error: target 'vdb' duplicated for disk sources '${file('vdb')}' and '${file('vdb')}'`,
    });
  });

  it('attaches to neither when one of them refuses', async () => {
    const { devices } = bench.libvirt;
    const domain = await started();
    await devices.attach(domain, await newDisk('vdb'), PERSISTENT);
    expect(await failureOf(devices.attach(domain, disk('vdb'), BOTH))).toMatchObject({
      code: 'OPERATION_INVALID',
    });
    expect(await targets(domain, LIVE)).toEqual(['vda']);
    expect(await failureOf(devices.attach(domain, disk('vdc'), BOTH))).toEqual({
      code: 'SYSTEM_ERROR',
      domain: 18,
      message: `Cannot access storage file '${file('vdc')}' (as uid:0, gid:0): No such file or directory`,
    });
    expect(await targets(domain)).toEqual(['vda', 'vdb']);
  });

  it('refuses to attach what another running domain writes to', async () => {
    const { devices, domains } = bench.libvirt;
    await domains.start(await makeMachine(bench.libvirt, 'other'));
    const domain = await started();
    const taken = renderDisk({ target: 'vdb', file: `${POOL_PATH}/other-vda.qcow2`, format: 'qcow2' });
    const failure = await failureOf(devices.attach(domain, taken, LIVE));
    expect(failure).toMatchObject({ code: 'INTERNAL_ERROR', domain: 10 });
    expect(failure.message).toContain('Failed to get "write" lock');
    expect(await targets(domain, LIVE)).toEqual(['vda']);
  });

  it('takes some more disks while it runs, and then has no place for another', async () => {
    const { devices } = bench.libvirt;
    const domain = await started();
    for (const letter of 'bcdefghi') await devices.attach(domain, await newDisk(`vd${letter}`), LIVE);
    expect(await failureOf(devices.attach(domain, await newDisk('vdj'), LIVE))).toEqual({
      code: 'INTERNAL_ERROR',
      domain: 20,
      message: 'internal error: No more available PCI slots',
    });
  });

  it.each([
    {
      what: 'a disk to what does not run',
      xml: disk('vdb'),
      code: 'OPERATION_INVALID',
      message: NOT_RUNNING,
    },
    {
      what: 'what is no device',
      xml: '<wibble/>',
      code: 'CONFIG_UNSUPPORTED',
      message: "unsupported configuration: unknown device type 'wibble'",
    },
  ])('refuses to attach $what', async ({ xml, code, message }) => {
    const domain = await makeMachine(bench.libvirt, 'web');
    const impact = code === 'OPERATION_INVALID' ? LIVE : PERSISTENT;
    expect(await failureOf(bench.libvirt.devices.attach(domain, xml, impact))).toEqual({
      code,
      domain: 20,
      message,
    });
  });

  it('detaches a disk by its target, whatever the file', async () => {
    const { devices } = bench.libvirt;
    const domain = await makeMachine(bench.libvirt, 'web');
    await devices.attach(domain, await newDisk('vdb'), PERSISTENT);
    const other = renderDisk({ target: 'vdb', file: `${POOL_PATH}/some.raw`, format: 'raw' });
    await devices.detach(domain, other, PERSISTENT);
    expect(await targets(domain)).toEqual(['vda']);
    expect(await failureOf(devices.detach(domain, other, PERSISTENT))).toEqual({
      code: 'DEVICE_MISSING',
      domain: 10,
      message: 'device not found: no target device vdb',
    });
  });

  it('says nothing when a guest does not let go of a disk, and complains when it is asked again', async () => {
    const { devices, domains } = bench.libvirt;
    const off = await makeMachine(bench.libvirt, 'web');
    const domain = await domains.start(off, { paused: true });
    await devices.attach(domain, await newDisk('vdb'), BOTH);
    await devices.detach(domain, disk('vdb'), LIVE);
    expect(await targets(domain, LIVE)).toEqual(['vda', 'vdb']);
    expect(await failureOf(devices.detach(domain, disk('vdb'), LIVE))).toEqual({
      code: 'INTERNAL_ERROR',
      domain: 10,
      message:
        "internal error: unable to execute QEMU command 'device_del': Device virtio-disk1 is already in the process of unplug",
    });
    expect(await failureOf(devices.detach(domain, disk('vdc'), LIVE))).toEqual({
      code: 'DEVICE_MISSING',
      domain: 10,
      message: 'device not found: disk vdc not found',
    });
    await devices.detach(domain, disk('vdb'), PERSISTENT);
    expect(await targets(domain)).toEqual(['vda']);
  });

  it('plugs an interface into another bridge of the config, one that is not there too', async () => {
    const { devices, domains } = bench.libvirt;
    const domain = await makeMachine(bench.libvirt, 'web');
    await devices.update(domain, renderNic('br9', MAC), PERSISTENT);
    expect(await domains.xml(domain, { inactive: true })).toContain("<source bridge='br9'/>");
    expect(parseDomain(await domains.xml(domain)).macs).toEqual([MAC]);
  });

  it('does not plug a running domain into a bridge that is not there', async () => {
    const { devices, domains } = bench.libvirt;
    const domain = await started();
    expect(await failureOf(devices.update(domain, renderNic('br9', MAC), BOTH))).toEqual({
      code: 'OPERATION_FAILED',
      domain: 10,
      message: "operation failed: bridge br9 doesn't exist",
    });
    expect(await domains.xml(domain, { inactive: true })).toContain("<source bridge='br0'/>");
    await devices.update(domain, renderNic('br0', MAC), BOTH);
  });

  it('finds an interface by its MAC address alone', async () => {
    const domain = await makeMachine(bench.libvirt, 'web');
    const nic = renderNic('br0', '52:54:00:12:34:57');
    expect(await failureOf(bench.libvirt.devices.update(domain, nic, PERSISTENT))).toEqual({
      code: 'DEVICE_MISSING',
      domain: 20,
      message:
        "device not found: no device found at address '(<null>)' matching MAC address '52:54:00:12:34:57' and alias '(<null>)'",
    });
  });

  it('gives the disk of a running domain another size, a smaller one without a word', async () => {
    const { devices, domains } = bench.libvirt;
    const domain = await started();
    const capacity = async () => {
      const [record] = await domains.stats({ block: true }, { domains: [domain] });
      return record?.params['block.0.capacity'];
    };
    await devices.resizeDisk(domain, { target: 'vda', bytes: 32 * MIB });
    expect(Number(await capacity())).toBe(32 * MIB);
    await devices.resizeDisk(domain, { target: 'vda', bytes: 24 * MIB });
    expect(Number(await capacity())).toBe(24 * MIB);
    expect(await failureOf(devices.resizeDisk(domain, { target: 'vdz', bytes: 32 * MIB }))).toEqual({
      code: 'INVALID_ARG',
      domain: 10,
      message: "invalid argument: disk 'vdz' was not found in the domain config",
    });
    await domains.destroy(domain);
    expect(await failureOf(devices.resizeDisk(domain, { target: 'vda', bytes: 32 * MIB }))).toEqual({
      code: 'OPERATION_INVALID',
      domain: 20,
      message: NOT_RUNNING,
    });
  });

  it('writes title and description', async () => {
    const { devices, domains } = bench.libvirt;
    const domain = await started();
    const description = 'two lines\n\t<of> "text" & more';
    await devices.setText(domain, { what: 'title', text: 'a <b> & c' }, BOTH);
    await devices.setText(domain, { what: 'description', text: description }, BOTH);
    for (const inactive of [true, false]) {
      const xml = await domains.xml(domain, { inactive });
      expect(parseDomain(xml)).toMatchObject({ title: 'a <b> & c', description });
    }
    await devices.setText(domain, { what: 'title', text: undefined }, BOTH);
    expect(parseDomain(await domains.xml(domain)).title).toBeUndefined();
    expect(await failureOf(devices.setText(domain, { what: 'title', text: 'a\nb' }, BOTH))).toEqual({
      code: 'INVALID_ARG',
      domain: 20,
      message: "metadata title can't contain newlines",
    });
  });

  async function started(): Promise<DomainRef> {
    return bench.libvirt.domains.start(await makeMachine(bench.libvirt, 'web'));
  }

  async function newDisk(target: string): Promise<string> {
    await makeVolume(bench.libvirt, `web-${target}.qcow2`);
    return disk(target);
  }

  async function targets(domain: DomainRef, { live = false }: { live?: boolean } = {}): Promise<string[]> {
    return targetsOf(bench.libvirt, domain, !live);
  }
});

function file(target: string): string {
  return `${POOL_PATH}/web-${target}.qcow2`;
}

function disk(target: string): string {
  return renderDisk({ target, file: file(target), format: 'qcow2' });
}

async function targetsOf({ domains }: Libvirt, domain: DomainRef, inactive: boolean): Promise<string[]> {
  return parseDomain(await domains.xml(domain, { inactive })).disks.map(({ target }) => target);
}
