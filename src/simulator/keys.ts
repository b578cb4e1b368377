import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import ssh2 from 'ssh2';

/** A key pair: private in OpenSSH's format, public as `type base64`. */
export interface KeyPair {
  readonly privateKey: string;
  readonly publicKey: string;
}

/** The key pair in that file, made first if it is not there. The private key is for its owner only. */
export function keyPairIn(folder: string, name: string): KeyPair & { readonly path: string } {
  const path = join(folder, name);
  if (!existsSync(path)) {
    mkdirSync(folder, { recursive: true });
    const pair = generate();
    writeFileSync(`${path}.pub`, `${pair.public}\n`);
    writeFileSync(path, pair.private, { mode: 0o600 });
    chmodSync(path, 0o600);
  }
  const [type, base64] = readFileSync(`${path}.pub`, 'utf8').split(/\s+/);
  return { path, privateKey: readFileSync(path, 'utf8'), publicKey: `${type} ${base64}` };
}

/** ssh2 1.17 writes one key in 256 that nobody can read: it cuts zeros off that belong to the key. */
function generate(): { private: string; public: string } {
  for (;;) {
    const pair = ssh2.utils.generateKeyPairSync('ed25519');
    const parsed = [pair.private, pair.public].map((text) => ssh2.utils.parseKey(text));
    if (!parsed.some((key) => key instanceof Error)) return pair;
  }
}
