// Installs the packages that the lockfile names, when they are missing or the lockfile changed, and
// compiles the program when its sources changed.
// Plain JavaScript, because it runs before the project's own Node is there: any Node >= 20 will do.
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { constants } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { takeTurn } from './install-turn.js'
import { keepCompiled } from './keep-compiled.js'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const marker = join(root, 'node_modules', '.isochrone-installed')
const wanted = createHash('sha256')
  .update(readFileSync(join(root, 'package-lock.json')))
  .update(readFileSync(join(root, 'package.json')))
  .update(`${process.platform}-${process.arch}`)
  .digest('hex')

/** Not below node_modules, which npm deletes first. */
const turnFile = join(root, '.isochrone-installing')

const stopping = new AbortController()
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.on(name, () => {
    process.exitCode ??= 128 + constants.signals[name]
    stopping.abort()
  })
}
if (isInstalled()) await keepCompiled(root, stopping.signal)
else await installInTurn()

function isInstalled() {
  return existsSync(marker) && readFileSync(marker, 'utf8') === wanted
}

async function installInTurn() {
  let giveBack
  try {
    giveBack = await takeTurn(turnFile, stopping.signal)
    // Whoever had the turn before has installed them, or has not.
    if (!isInstalled()) await install()
    if (isInstalled()) await keepCompiled(root, stopping.signal)
  } catch (error) {
    if (!stopping.signal.aborted) throw error
  } finally {
    giveBack?.()
  }
}

async function install() {
  console.error('Installing packages from package-lock.json (a minute or two on the first run) …')
  if (await runNpm()) return writeFileSync(marker, wanted)
  process.exitCode ??= 1
  if (stopping.signal.aborted) return
  console.error('')
  console.error('The packages could not be installed: see the lines above.')
  console.error(
    'Check the network (or proxy) to the npm registry and the free disk space, then try again.',
  )
}

/** true: all is installed. */
function runNpm() {
  const npm = process.env.npm_execpath
  const args = ['ci', '--no-fund', '--no-audit', '--foreground-scripts=false', '--loglevel=error']
  const env = { ...process.env, ONNXRUNTIME_NODE_INSTALL: 'skip' }
  const options = { cwd: root, stdio: ['ignore', 'inherit', 'inherit'], env }
  const child = npm?.endsWith('.js')
    ? spawn(process.execPath, [npm, ...args], options)
    : spawn('npm', args, { ...options, shell: process.platform === 'win32' })
  stopping.signal.addEventListener('abort', () => child.kill())
  return new Promise((resolve) => {
    child.on('error', (error) => {
      console.error(error.message)
      resolve(false)
    })
    child.on('exit', (code) => resolve(code === 0))
  })
}
