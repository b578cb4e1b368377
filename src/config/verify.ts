import { z } from 'zod';
import { type ConfigContext, pathValue } from './values.ts';

/** Whose commits count. */
export function verifySchema(context: ConfigContext) {
  return z
    .strictObject({
      allowedSigners: pathValue(context)
        .optional()
        .describe('File with the SSH keys that may sign commits, as in ALLOWED SIGNERS of ssh-keygen(1).'),
      gpgKeys: pathValue(context)
        .optional()
        .describe('File with the OpenPGP public keys that may sign commits: gpg --export --armor.'),
      require: z
        .enum(['head', 'every'])
        .prefault('every')
        .describe('Whether the newest commit must be signed, or every one since the commit in force.'),
    })
    .refine(({ allowedSigners, gpgKeys }) => allowedSigners !== undefined || gpgKeys !== undefined, {
      error: 'expected allowedSigners, gpgKeys or both',
    })
    .optional()
    .describe('Take only signed commits; without it, whatever may be pushed.');
}
