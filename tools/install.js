// Installs the packages that the lockfile names, when they are missing or the lockfile changed, and
// compiles the program when its sources changed.
// Plain JavaScript, because it runs before the project's own Node is there: any Node >= 20 will do.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { keepCompiled } from './keep-compiled.js'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const marker = join(root, 'node_modules', '.isochrone-installed')
const wanted = createHash('sha256')
  .update(readFileSync(join(root, 'package-lock.json')))
  .update(readFileSync(join(root, 'package.json')))
  .update(`${process.platform}-${process.arch}`)
  .digest('hex')

const installed = existsSync(marker) ? readFileSync(marker, 'utf8') : ''
if (installed !== wanted) install()
await keepCompiled(root)

function install() {
  console.error('Installing packages from package-lock.json (a minute or two on the first run) …')
  const npm = process.env.npm_execpath
  const args = ['ci', '--no-fund', '--no-audit', '--foreground-scripts=false', '--loglevel=error']
  const env = { ...process.env, ONNXRUNTIME_NODE_INSTALL: 'skip' }
  const options = { cwd: root, stdio: ['ignore', 'inherit', 'inherit'], env }
  const done = npm?.endsWith('.js')
    ? spawnSync(process.execPath, [npm, ...args], options)
    : spawnSync('npm', args, { ...options, shell: process.platform === 'win32' })
  if (done.status !== 0) {
    console.error('')
    console.error('The packages could not be installed: see the lines above.')
    console.error(
      'Check the network (or proxy) to the npm registry and the free disk space, then try again.',
    )
    process.exit(1)
  }
  writeFileSync(marker, wanted)
}
