import { escapeXml } from './xml.ts';

export interface BackingFile {
  readonly path: string;
  readonly format: string;
}

/** A new qcow2 volume of `capacity` bytes; with `backing` a thin overlay over that file. */
export function renderVolume(name: string, capacity: number, backing?: BackingFile): string {
  return `<volume>
  <name>${escapeXml(name)}</name>
  <capacity unit='bytes'>${capacity}</capacity>
  <target><format type='qcow2'/></target>${
    backing === undefined
      ? ''
      : `
  <backingStore><path>${escapeXml(backing.path)}</path><format type='${escapeXml(backing.format)}'/></backingStore>`
  }
</volume>`;
}

/** An empty file that nobody but root may write to, for the bytes of an image. */
export function renderEmptyFile(name: string): string {
  return `<volume>
  <name>${escapeXml(name)}</name>
  <capacity unit='bytes'>0</capacity>
  <target><format type='raw'/><permissions><mode>0444</mode></permissions></target>
</volume>`;
}

/** A new volume that is a plain image of `capacity` bytes, none of which takes up room yet. */
export function renderRawVolume(name: string, capacity: number): string {
  return `<volume>
  <name>${escapeXml(name)}</name>
  <capacity unit='bytes'>${capacity}</capacity>
  <allocation unit='bytes'>0</allocation>
  <target><format type='raw'/></target>
</volume>`;
}
