import { SEED_BYTES, type SeedOrder } from '../core/seed.ts';
import { mergeUserData, type UserData } from '../core/user-data.ts';
import { OperatorError } from '../errors.ts';
import { fatImage } from './fat-image.ts';
import { resolveSecrets, type SecretPlaces } from './secrets.ts';
import { seedFiles } from './seed-files.ts';
import { decryptSops } from './sops.ts';

/** cloud-init finds a seed by this. */
const LABEL = 'CIDATA';

/** The bytes of a seed, secrets and all: for the host, and nobody else. E_SECRET where a secret cannot be had. */
export async function seedImage({ uuid, mac, seed }: SeedOrder, places: SecretPlaces): Promise<Buffer> {
  const { sops, ...content } = seed.content.reveal();
  const encrypted = sops === undefined ? {} : await decryptSops(sops, places.ageKey);
  const userData: UserData = await resolveSecrets(mergeUserData(content.userData, encrypted), places);
  const facts = { instanceId: uuid, hostname: seed.hostname, mac, content: { ...content, userData } };
  const files = [...seedFiles(facts)].map(([name, text]) => ({ name, content: Buffer.from(text) }));
  try {
    return fatImage(files, {
      label: LABEL,
      serial: Number.parseInt(uuid.slice(0, 8), 16),
      sizeBytes: SEED_BYTES,
    });
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new OperatorError(
      'E_SECRET',
      `${seed.volume}: its user data with all secrets is too large for a seed`,
    );
  }
}
