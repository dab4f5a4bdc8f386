/** The files that a simulation is told to read. */
import { readFileSync, statSync } from 'node:fs'
import { refuse } from './values.ts'

export interface FileSource {
  /** The option that names it. */
  readonly option: string
  /** What it should be, for a person. */
  readonly what: string
  readonly bytesMax?: number
}

export function readBytes(file: string, source: FileSource): Uint8Array {
  const { option, what, bytesMax = Number.POSITIVE_INFINITY } = source
  try {
    const found = statSync(file)
    // A folder has a size too.
    if (found.isDirectory() || found.size <= bytesMax) return readFileSync(file)
  } catch (error) {
    refuse(`--${option} ${file}: ${reasonOf(error)}; it should be ${what}`)
  }
  refuse(`--${option} ${file} is larger than ${bytesMax} bytes; it should be ${what}`)
}

const reasons: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  ENOTDIR: 'there is no such file: a part of the path is a file',
  EISDIR: 'that is a folder, not a file',
  EACCES: 'this user may not read it',
  EPERM: 'this user may not read it',
  ELOOP: 'its symbolic links lead in a circle',
  ENAMETOOLONG: 'no file can have so long a name',
}

function reasonOf(error: unknown): string {
  const { code = '', message = String(error) } = (error ?? {}) as NodeJS.ErrnoException
  return reasons[code] ?? `it cannot be read (${message})`
}
