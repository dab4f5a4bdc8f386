/**
 * A data folder holds private keys, and may lie in somebody's repository: it tells git to leave it
 * out, and with git the tools that go by it.
 */
import { existsSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { makeFolder } from './make-folder.ts'

const fileName = '.gitignore'

/** Makes the data folder where there is none. One that may be somebody else's is left alone. */
export function keepOutOfGit(root: string): void {
  try {
    makeFolder(root)
    if (!isOurs(root)) return
    writeFileSync(join(root, fileName), '*\n', { flag: 'wx', mode: 0o600 })
  } catch {
    // It is there, or whoever needs the folder says what is wrong with it.
  }
}

/** Nothing is in it, or a key that only this program makes: its other names are anybody's. */
function isOurs(root: string): boolean {
  const names = readdirSync(root)
  if (names.includes('.git')) return false
  return names.length === 0 || names.some((name) => existsSync(join(root, name, 'identity.pem')))
}
