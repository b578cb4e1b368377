import type { Writable } from 'node:stream';
import pc from 'picocolors';
import type { Colors } from 'picocolors/types.js';

/** Colours for what a stream leads to: plain text unless that is a terminal, in a CI job too. */
export function colorsFor(stream: Writable & { readonly isTTY?: boolean }): Colors {
  return pc.createColors(stream.isTTY === true && pc.isColorSupported);
}

/** For stdout. */
export const colors = colorsFor(process.stdout);
