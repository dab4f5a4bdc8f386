/** Where this program lies, and which version it is. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

/** The folder with package.json. */
export const programFolder = join(import.meta.dirname, '..', '..')

export function softwareVersion(): string {
  const content: unknown = JSON.parse(readFileSync(join(programFolder, 'package.json'), 'utf8'))
  const version = (content as { readonly version?: unknown }).version
  return typeof version === 'string' ? version : 'unknown'
}
