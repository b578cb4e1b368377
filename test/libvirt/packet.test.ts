import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  encodePacket,
  type Packet,
  PacketSplitter,
  ProtocolError,
  writePacket,
} from '../../src/libvirt/packet.ts';
import { rest, string } from '../../src/libvirt/xdr.ts';
import { XdrError } from '../../src/libvirt/xdr-reader.ts';
import { XdrWriter } from '../../src/libvirt/xdr-writer.ts';

const header = { program: 0x20008086, procedure: 14, type: 1, serial: 7, status: 0 };

function split(chunks: readonly Buffer[]): Packet[] {
  const packets: Packet[] = [];
  const splitter = new PacketSplitter((packet) => packets.push(packet));
  for (const chunk of chunks) splitter.push(chunk);
  expect(splitter.midPacket).toBe(false);
  return packets;
}

describe('PacketSplitter', () => {
  it('finds the same packets wherever the stream is cut', () => {
    const bodies = fc.array(fc.uint8Array({ maxLength: 60 }), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(bodies, fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 }), (payloads, sizes) => {
        const stream = Buffer.concat(
          payloads.map((payload) => encodePacket(header, rest, Buffer.from(payload))),
        );
        const chunks: Buffer[] = [];
        for (let at = 0, i = 0; at < stream.length; i++) {
          const size = sizes[i % sizes.length] ?? 1;
          chunks.push(stream.subarray(at, at + size));
          at += size;
        }
        expect(split(chunks)).toEqual(payloads.map((payload) => ({ ...header, body: Buffer.from(payload) })));
      }),
    );
  });

  it('takes a packet of 4 MiB in small pieces in linear time', () => {
    const packet = encodePacket(header, rest, Buffer.alloc(4 * 1024 * 1024, 1));
    const chunks = Array.from({ length: Math.ceil(packet.length / 100) }, (_, i) =>
      packet.subarray(i * 100, i * 100 + 100),
    );
    const started = performance.now();
    expect(split(chunks)[0]?.body.length).toBe(4 * 1024 * 1024);
    expect(performance.now() - started).toBeLessThan(1000);
  });

  it('does not believe a length: memory grows with what has come', () => {
    const splitter = new PacketSplitter(() => {});
    const claims = Array.from({ length: 200 }, () => new PacketSplitter(() => {}));
    const before = process.memoryUsage().arrayBuffers;
    for (const claim of [splitter, ...claims]) claim.push(Buffer.from('01ffffff20008086', 'hex'));
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1024 * 1024);
    expect(splitter.midPacket).toBe(true);
  });

  it.each<[string, string, RegExp]>([
    ['over 32 MiB', '02000001', /33554433 bytes/],
    ['shorter than its header', '0000001b', /27 bytes/],
    ['of another protocol version', '0000001c2000808600000002000000010000000100000001 00000000', /version 2/],
  ])('refuses a packet %s', (_, hex, message) => {
    const splitter = new PacketSplitter(() => {});
    expect(() => splitter.push(Buffer.from(hex.replaceAll(' ', ''), 'hex'))).toThrow(ProtocolError);
    expect(() => new PacketSplitter(() => {}).push(Buffer.from(hex.replaceAll(' ', ''), 'hex'))).toThrow(
      message,
    );
  });

  it('shows the text that came instead of a packet', () => {
    const splitter = new PacketSplitter(() => {});
    const complaint = Buffer.from('bash: virt-ssh-helper: command not found\n');
    expect(() => splitter.push(complaint)).toThrow(
      "the peer sent text: 'bash: virt-ssh-helper: command not found'",
    );
  });
});

describe('writePacket', () => {
  it('leaves the writer as it was when a body cannot be encoded', () => {
    const writer = new XdrWriter();
    writePacket(writer, header, string, 'first');
    expect(() => writePacket(writer, header, string, 'a\0b')).toThrow(XdrError);
    writePacket(writer, header, string, 'second');
    expect(split([writer.finish()])).toHaveLength(2);
  });

  it('refuses a packet that libvirt would not take', () => {
    expect(() => encodePacket(header, rest, Buffer.alloc(32 * 1024 * 1024))).toThrow(ProtocolError);
  });
});
