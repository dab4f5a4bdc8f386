/** The identity of a node or gateway: its private key in the data folder. */
import { join } from 'node:path'
import {
  createIdentity,
  type Identity,
  IsochroneError,
  identityFromPem,
  identityToPem,
} from '../../protocol/index.ts'
import { readOrCreateSecret } from './secret-file.ts'

/** @throws IsochroneError `invalid_configuration` when others may read the key, `storage_failed` */
export function openIdentity(folder: string): Identity {
  const file = join(folder, 'identity.pem')
  const pem = readOrCreateSecret(file, () => identityToPem(createIdentity()))
  try {
    return identityFromPem(pem)
  } catch (cause) {
    throw new IsochroneError(
      'storage_failed',
      `${file} holds no Ed25519 private key; restore it from a copy, ` +
        'or move it away for a new identity',
      { detail: { file }, cause },
    )
  }
}
