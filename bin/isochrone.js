#!/bin/sh
':' //; f='--max-semi-space-size=4 --no-concurrent-recompilation --initial-old-space-size=40'
':' //; f="$f --no-memory-reducer --no-flush-bytecode --no-allocation-site-pretenuring --no-maglev"
':' //; exec node $f "$0" "$@"
// A shell reads the lines above and starts Node, for which they are three texts and comments: the
// flags in a first line of their own would be cut off at 127 bytes by Linux before 5.1.
// Starts the program with the project's own Node where the running one is too old for it.
// Plain JavaScript, because any Node >= 20 must be able to read it, and because whoever loads
// TypeScript first pays for the stripper of types (15 MB) unless what it gave is kept.
import { spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import module, { createRequire } from 'node:module'
import { constants } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const main = join(root, 'src', 'cli', 'main.ts')
const kept = join(root, 'node_modules', '.cache', 'isochrone')
const installer = join(root, 'tools', 'install.js')
const marker = join(root, 'node_modules', '.isochrone-installed')
const nodeMajorMin = 26
/**
 * For a busy gateway: about 150 MB with them and 250 MB without, and a third more requests.
 * - A small nursery: objects of a request live for milliseconds.
 * - No guessing which objects will live long: under load V8 guesses that whole requests do, and
 *   one old object then keeps all that follow it until the next full collection.
 * - Compiling in the thread that waits for it: compilers in threads leave 40 MB behind.
 * - A first collection of old objects before there are many.
 * - What was compiled stays, also through a quiet minute.
 * - One optimizing compiler, not two: the quick one's code is larger, is kept until a function was
 *   called 3,000 times, and makes a request of a quiet gateway a tenth slower.
 * The shell's lines above have them; package.json's scripts repeat them, and a test compares.
 */
function nodeFlags() {
  const [shellLines = ''] = readFileSync(fileURLToPath(import.meta.url), 'utf8').split(' exec ', 1)
  return shellLines.match(/--[\w=-]+/g) ?? []
}
const nodeMajor = Number(process.versions.node.split('.')[0])
/** Set for the project's own Node: one that is too old as well must not start itself for ever. */
const ownMark = 'ISOCHRONE_OWN_NODE'
const isOwn = process.env[ownMark] === '1'
delete process.env[ownMark]

if (!packagesAreThere()) await install()
if (!packagesAreThere()) {
  console.error('The packages of Isochrone are not installed, or not all. npm ci installs them.')
  process.exit(1)
} else if (nodeMajor >= nodeMajorMin) {
  // Where the folder cannot be written, nothing is kept. Threads read the variable only.
  module.enableCompileCache(kept)
  process.env.NODE_COMPILE_CACHE ??= kept
  await import(main)
} else {
  const own = isOwn ? undefined : ownNode()
  if (own === undefined) {
    console.error(
      `Isochrone needs Node ${nodeMajorMin} or newer; this is ${process.version}, ` +
        "and the project's own is not installed. npm ci installs it.",
    )
    process.exit(1)
  }
  const child = spawn(
    own,
    // By the name it was started by, which hints repeat.
    [...nodeFlags(), ...process.argv.slice(1)],
    { stdio: 'inherit', env: { ...process.env, [ownMark]: '1' } },
  )
  child.on('error', (error) => {
    console.error(`${own} cannot be started (${error.message}). npm ci installs it anew.`)
    process.exit(1)
  })
  // A terminal sends Ctrl-C to both; the child decides, this process only waits.
  process.on('SIGINT', () => {})
  process.on('SIGTERM', () => child.kill('SIGTERM'))
  child.on('exit', (code, signal) => process.exit(code ?? (signal === null ? 1 : 128)))
}

function packagesAreThere() {
  try {
    const found = createRequire(import.meta.url).resolve('yaml')
    const isOurs = isClone() && found.startsWith(join(root, 'node_modules'))
    return !isOurs || isWhole()
  } catch {
    return false
  }
}

/** No package that npm made of it has this file; whoever installs that one unpacks it whole. */
function isClone() {
  return existsSync(installer) && existsSync(join(root, 'package-lock.json'))
}

/** While packages are unpacked, one that is there says nothing of the others. */
function isWhole() {
  // The second is written by npm ci, when it has done all.
  return existsSync(marker) || existsSync(join(root, 'node_modules', '.package-lock.json'))
}

/** In a fresh clone, as npm start does. Where it was done once, packages were removed by hand. */
async function install() {
  if (!existsSync(installer) || existsSync(marker)) return
  // What a command prints on standard output is its own.
  const child = spawn(process.execPath, [installer], { stdio: ['ignore', 2, 2] })
  let code
  const handlers = ['SIGINT', 'SIGTERM', 'SIGHUP'].map((name) => {
    const handOn = () => {
      code ??= 128 + constants.signals[name]
      child.kill(name)
    }
    process.on(name, handOn)
    return () => process.off(name, handOn)
  })
  const isDone = await new Promise((resolve) => {
    child.on('error', () => resolve(false))
    child.on('exit', (status) => resolve(status === 0))
  })
  if (code !== undefined || !isDone) process.exit(code ?? 1)
  for (const remove of handlers) remove()
}

function ownNode() {
  const name = process.platform === 'win32' ? 'node.exe' : 'node'
  const places = [
    join(root, 'node_modules', 'node', 'bin', name),
    join(root, 'node_modules', '.bin', name),
    join(root, '..', 'node', 'bin', name),
  ]
  return places.find((place) => existsSync(place))
}
