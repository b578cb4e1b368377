import { createHmac, timingSafeEqual } from 'node:crypto';

const HEX = /^[0-9a-f]{64}$/i;

/** Whether `hex` is the HMAC-SHA256 of exactly these bytes. Never true without a secret. */
export function isHmac(body: Uint8Array, hex: string | undefined, secret: string): boolean {
  if (hex === undefined || secret === '' || !HEX.test(hex)) return false;
  return timingSafeEqual(Buffer.from(hex, 'hex'), createHmac('sha256', secret).update(body).digest());
}

/** The same for `sha256=HEX`, as most forges write it. */
export function isPrefixedHmac(body: Uint8Array, header: string | undefined, secret: string): boolean {
  return header?.startsWith('sha256=') === true && isHmac(body, header.slice(7), secret);
}

/** Whether two texts are the same, in a time that does not depend on where they differ or how long they are. */
export function isSameText(a: string, b: string): boolean {
  const [first, second] = [a, b].map((text) => createHmac('sha256', KEY).update(text).digest());
  return first !== undefined && second !== undefined && timingSafeEqual(first, second);
}

/** Only brings both texts to one length. */
const KEY = 'kvm-gitops';
