import { errorMessage, OperatorError } from '../errors.ts';
import { readPrivateFile } from '../private-file.ts';

/** Decrypts what `age --armor` has encrypted for one of the identities in a file; E_SECRET where that cannot be done. */
export async function decryptAge(
  ciphertext: string,
  { keyFile, what }: { readonly keyFile: string | undefined; readonly what: string },
): Promise<Buffer> {
  if (keyFile === undefined) {
    throw new OperatorError(
      'E_SECRET',
      `${what} is encrypted with age, and operator.yaml has no secrets.ageKey`,
    );
  }
  // Only where there is something to decrypt: loading it takes longer than everything else at start.
  const { Decrypter, armor } = await import('age-encryption');
  try {
    const decrypter = new Decrypter();
    for (const identity of readIdentities(keyFile)) decrypter.addIdentity(identity);
    return Buffer.from(await decrypter.decrypt(armor.decode(ciphertext)));
  } catch (error) {
    throw new OperatorError(
      'E_SECRET',
      `${what} cannot be decrypted with ${keyFile}: ${errorMessage(error)}`,
    );
  }
}

/** As `age-keygen` writes them: one a line, comments between. */
function readIdentities(keyFile: string): readonly string[] {
  const lines = readPrivateFile(keyFile)
    .split('\n')
    .map((line) => line.trim());
  return lines.filter((line) => line.startsWith('AGE-SECRET-KEY-'));
}
