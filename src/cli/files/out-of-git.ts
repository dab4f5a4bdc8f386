/**
 * A data folder holds private keys, and may lie in somebody's repository: it tells git to leave it
 * out, and with git the tools that go by it.
 */
import { existsSync, readdirSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { dataFolder } from './data-folder.ts'
import { makeFolder } from './make-folder.ts'

const fileName = '.gitignore'

/**
 * Makes the data folder where there is none. A folder with anything of somebody else's in it is
 * left as it is.
 */
export function keepOutOfGit(root: string): void {
  try {
    makeFolder(root)
    if (existsSync(join(root, fileName)) || !readdirSync(root).every(isOurs)) return
    writeFileSync(join(root, fileName), '*\n', { flag: 'wx', mode: 0o600 })
  } catch {
    // Whoever needs the folder says what is wrong with it; another process may have been first.
  }
}

const { node: _, root: __, ...places } = dataFolder('/', '/')
/** Of what lies in a data folder, and of what holds it. */
const names = new Set([
  ...Object.values(places).map((place) => basename(place)),
  ...['lock', 'owner', 'machine.json', 'measuring'],
])

function isOurs(name: string): boolean {
  return names.has(name) || /^node(-\d+)?$/.test(name)
}
