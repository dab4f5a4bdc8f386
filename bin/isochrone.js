#!/usr/bin/env node
// Starts the program with the project's own Node where the running one is too old for it.
// Plain JavaScript, because any Node >= 20 must be able to read it.
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const main = join(root, 'src', 'cli', 'main.ts')
const nodeMajorMin = 26
const nodeMajor = Number(process.versions.node.split('.')[0])

if (!packagesAreThere()) {
  console.error('The packages of Isochrone are not installed. npm start or npm test installs them.')
  process.exit(1)
} else if (nodeMajor >= nodeMajorMin) {
  await import(main)
} else {
  const own = ownNode()
  if (own === undefined) {
    console.error(
      `Isochrone needs Node ${nodeMajorMin} or newer; this is ${process.version}, ` +
        "and the project's own is not installed. npm start or npm test installs it.",
    )
    process.exit(1)
  }
  const child = spawn(own, [main, ...process.argv.slice(2)], { stdio: 'inherit' })
  // A terminal sends Ctrl-C to both; the child decides, this process only waits.
  process.on('SIGINT', () => {})
  process.on('SIGTERM', () => child.kill('SIGTERM'))
  child.on('exit', (code, signal) => process.exit(code ?? (signal === null ? 1 : 128)))
}

function packagesAreThere() {
  try {
    createRequire(import.meta.url).resolve('yaml')
    return true
  } catch {
    return false
  }
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
