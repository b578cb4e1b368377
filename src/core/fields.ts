import { z } from 'zod';

/** A whole number within limits, both included. */
export function wholeNumber(least: number, most: number): z.ZodInt {
  const expected = `a whole number from ${least} to ${most}`;
  return z.int(expected).min(least, expected).max(most, expected);
}

/** A number within limits, both included. */
export function numberBetween(least: number, most: number): z.ZodNumber {
  const expected = `a number from ${least} to ${most}`;
  return z.number(expected).min(least, expected).max(most, expected);
}

/** GiB that come to whole MiB. */
export function memoryGb(): z.ZodNumber {
  const expected = 'GiB above 0 that come to whole MiB, such as 4, 0.5 or 0.25';
  return z
    .number(expected)
    .positive(expected)
    .max(65_536, expected)
    .multipleOf(1 / 1024, expected);
}

/** Which disk of a VM. */
export function diskTarget(): z.ZodString {
  const expected = 'a disk such as vdb; of a VM that was there before also vda, sda or hda';
  return z.string(expected).regex(/^[vsh]d[a-z]$/, expected);
}

/** A span of minutes, hours or days, 31 days at most. */
export function span() {
  const expected = 'a span with m, h or d, such as 90m, 60h or 14d, up to 31d';
  const limits: Readonly<Record<string, number>> = { m: 31 * 24 * 60, h: 31 * 24, d: 31 };
  return z
    .string(expected)
    .regex(/^[1-9][0-9]{0,4}[mhd]$/, expected)
    .refine((text) => Number.parseInt(text, 10) <= (limits[text.slice(-1)] ?? 0), expected);
}

/** A time of the clock on the wall. */
export function localTime(): z.ZodString {
  const expected = 'a local time such as 2026-12-20T18:00';
  return z.string(expected).regex(/^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2})?$/, expected);
}

/** One of a few words. */
export function oneOf<const Words extends readonly [string, ...string[]]>(words: Words) {
  return z.enum(words, `one of ${words.join(', ')}`);
}

/** RFC 1123 label in lower case, with a letter in it: virsh takes digits alone for the id of some running VM. */
export function label(what: string): z.ZodString {
  const expected = `${what}: 1 to 63 of a-z, 0-9 and "-", not "-" first or last, at least one letter`;
  return z.string(expected).regex(/^(?=.*[a-z])[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/, expected);
}

/** RFC 1123 host name: labels joined by dots, the last of them no number, 253 characters at most. */
export function hostname(example: string): z.ZodString {
  const expected = `a host name such as ${example}`;
  const part = '[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?';
  return z
    .string(expected)
    .max(253, expected)
    .regex(new RegExp(`^(${part}\\.)*(?![0-9]+$)${part}$`), expected);
}

/** The name of a libvirt pool or volume that is safe in a path, in XML and on a command line. */
export function storageName(what: string): z.ZodString {
  const expected = `${what}: letters, digits and any of . _ + -, a letter or digit first`;
  return z
    .string(expected)
    .max(200, expected)
    .regex(/^[A-Za-z0-9][A-Za-z0-9._+-]*$/, expected);
}

/** An absolute path that says in one way only where it leads. */
export function absolutePath(what: string): z.ZodString {
  const expected = `${what}: an absolute path such as /data01/primary, of letters, digits and any of . _ + @ -, without "." and ".." and no "/" at its end`;
  return z
    .string(expected)
    .max(1000, expected)
    .regex(/^(\/(?!\.{1,2}(\/|$))[A-Za-z0-9._+@-]+)+$/, expected);
}

/** A sha256 in hexadecimal digits. */
export function sha256(): z.ZodString {
  const expected = 'a sha256 of 64 hexadecimal digits, as sha256sum prints it';
  return z.string(expected).regex(/^[0-9a-fA-F]{64}$/, expected);
}

/** Where a web server has a file; no user and password, which everybody who reads the repository would see. */
export function webUrl(): z.ZodString {
  const expected = 'an http or https URL without user and password';
  return z
    .string(expected)
    .max(2000, expected)
    .regex(/^https?:\/\/[A-Za-z0-9[][^\s@\\]*$/, expected);
}

/** The name of a network interface of a host. */
export function interfaceName(): z.ZodString {
  const expected = 'the name of a bridge on the host, 15 characters at most, such as br0';
  return z.string(expected).regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,14}$/, expected);
}

/** Four decimal numbers without leading zeros. */
export function ipv4(): z.ZodString {
  const expected = 'an IPv4 address such as 10.77.0.11';
  const octet = '(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])';
  return z.string(expected).regex(new RegExp(`^(${octet}\\.){3}${octet}$`), expected);
}

/** A unicast MAC address: the second digit is even. */
export function mac(): z.ZodString {
  const expected = 'a unicast MAC address such as 52:54:00:12:34:56';
  return z.string(expected).regex(/^(?!00(:00){5}$)[0-9a-fA-F][02468aceACE](:[0-9a-fA-F]{2}){5}$/, expected);
}

/** A UUID that is not all zeros. */
export function uuid(): z.ZodString {
  const expected = 'a uuid such as 4dea22b3-1d52-d8f3-2516-782e98ab3fa0, as `virsh domuuid` shows it';
  const hex = '[0-9a-fA-F]';
  return z
    .string(expected)
    .regex(new RegExp(`^(?!0{8}-)${hex}{8}-${hex}{4}-${hex}{4}-${hex}{4}-${hex}{12}$`), expected);
}

/** Text for people, in one or more lines; nothing that XML cannot hold. */
export function prose(): z.ZodString {
  const expected = 'text of 1000 characters at most, without control characters';
  return z
    .string(expected)
    .max(1000, expected)
    .regex(/^[\t\n\u0020-\u007E\u00A0-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]*$/u, expected);
}

/** `true` or `false`, not a word for it. */
export function flag(): z.ZodBoolean {
  return z.boolean('true or false');
}
