/**
 * Makes a folder and what is missing above it, one level at a time.
 *
 * Not `mkdir`'s own recursive form: where the system answers "no such file" for a parent that is
 * there, as below /proc, Node.js tries again for ever.
 */
import { mkdirSync, statSync } from 'node:fs'
import { dirname } from 'node:path'

/** @throws the system's error for the first level that cannot be made */
export function makeFolder(folder: string): void {
  const missing: string[] = []
  for (let level = folder; !isThere(level); level = dirname(level)) missing.push(level)
  // A file in its place: the system says so.
  if (missing.length === 0 && !isFolder(folder)) missing.push(folder)
  for (const level of missing.reverse()) makeLevel(level)
}

function makeLevel(folder: string): void {
  try {
    mkdirSync(folder, { mode: 0o700 })
  } catch (cause) {
    // Another process may have made it meanwhile.
    if ((cause as NodeJS.ErrnoException).code !== 'EEXIST' || !isFolder(folder)) throw cause
  }
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true
}

/** Also true of a file: making a folder below it then fails with the system's own word. */
function isThere(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false }) !== undefined
}
