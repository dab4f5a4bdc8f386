/**
 * Secrets on disk: readable by their owner alone, or refused.
 */
import { readFileSync, statSync } from 'node:fs'
import { IsochroneError } from '../../protocol/index.ts'
import { writeFileAtomically } from './atomic-file.ts'

/** Any secret of ours is far smaller. */
const secretBytesMax = 64 * 1024

/** undefined: there is no such file. */
export function readSecretFile(file: string): string | undefined {
  try {
    const { mode, size } = statSync(file)
    if (process.platform !== 'win32' && (mode & 0o077) !== 0) {
      throw new IsochroneError(
        'invalid_configuration',
        `${file} can be read by others than its owner; mend it with: chmod 600 ${file}`,
        { detail: { file } },
      )
    }
    if (size > secretBytesMax) {
      throw new IsochroneError('storage_failed', `${file} is too large to be a secret`)
    }
    return readFileSync(file, 'utf8')
  } catch (error) {
    if (error instanceof IsochroneError) throw error
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw new IsochroneError('storage_failed', `cannot read ${file}: ${String(error)}`, {
      detail: { file },
      cause: error,
    })
  }
}

/** What is in the file; made and kept when there is none. */
export function readOrCreateSecret(file: string, create: () => string): string {
  const kept = readSecretFile(file)?.trim()
  if (kept !== undefined && kept !== '') return kept
  const secret = create()
  writeFileAtomically(file, `${secret}\n`, 0o600)
  return secret
}
