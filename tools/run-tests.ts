/**
 * Runs the tests with Node's own runner, and ends with its exit code.
 *
 *   node tools/run-tests.ts                 every test that needs nothing but npm packages
 *   node tools/run-tests.ts --e2e           the suites that start real processes (*.e2e.test.ts)
 *   node tools/run-tests.ts src/routing …   only those files, or those below a folder
 *
 * Properties are tried with one seed, the same in every run, so that a run can be repeated.
 * ISOCHRONE_TEST_SEED gives another one; `random` draws it. It is printed first.
 */

import { spawn } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { existsSync, globSync, statSync } from 'node:fs'
import { join, relative } from 'node:path'
import { pathToFileURL } from 'node:url'

const root = join(import.meta.dirname, '..')
/**
 * Test files at a time. Two suits the smallest machines; end-to-end suites start many processes
 * each.
 */
const filesAtATime = { unit: 2, e2e: 1 }
/** No single test file should come near this; it ends a run that hangs. */
const testTimeoutMs = { unit: 120_000, e2e: 600_000 }
const usualSeed = 1
const seedsEnd = 2 ** 31

process.exitCode = await main(process.argv.slice(2))

async function main(args: readonly string[]): Promise<number> {
  const kind = args.includes('--e2e') ? 'e2e' : 'unit'
  const seed = chosenSeed(process.env['ISOCHRONE_TEST_SEED'])
  if (seed === undefined) {
    console.error(`ISOCHRONE_TEST_SEED is a whole number from 0 below ${seedsEnd}, or "random".`)
    return 1
  }
  const passed = args.filter((arg) => arg.startsWith('--') && arg !== '--e2e')
  const narrowed = args.filter((arg) => !arg.startsWith('--'))
  const files = select(narrowed, kind)
  if (files.length === 0) {
    console.error(`No ${kind} tests${narrowed.length > 0 ? ` below ${narrowed.join(', ')}` : ''}.`)
    return narrowed.length > 0 ? 1 : 0
  }
  console.log(`Properties are tried with ISOCHRONE_TEST_SEED=${seed}.`)
  process.env['ISOCHRONE_TEST_SEED'] = String(seed)
  return await run([
    `--import=${pathToFileURL(join(root, 'tools/seed-properties.ts')).href}`,
    '--test',
    '--test-reporter=spec',
    `--test-concurrency=${filesAtATime[kind]}`,
    `--test-timeout=${testTimeoutMs[kind]}`,
    ...passed,
    ...files,
  ])
}

/** What the variable asks for; undefined for what is no seed. */
function chosenSeed(asked: string | undefined): number | undefined {
  if (asked === undefined || asked === '') return usualSeed
  if (asked === 'random') return randomInt(seedsEnd)
  const seed = Number(asked)
  return Number.isInteger(seed) && seed >= 0 && seed < seedsEnd ? seed : undefined
}

/** Test files of one kind; those named or below the named folders, or all. */
function select(narrowed: readonly string[], kind: 'unit' | 'e2e'): readonly string[] {
  const all = globSync('{src,tools,bench}/**/*.test.ts', {
    cwd: root,
    exclude: (name) => name === 'node_modules',
  })
  const wanted = narrowed.map((path) => {
    const full = existsSync(path) ? join(process.cwd(), path) : join(root, path)
    const below = existsSync(full) && statSync(full).isDirectory()
    return { path: relative(root, full), below }
  })
  return all
    .filter((file) => file.endsWith('.e2e.test.ts') === (kind === 'e2e'))
    .filter(
      (file) =>
        wanted.length === 0 ||
        wanted.some(({ path, below }) => file === path || (below && file.startsWith(`${path}/`))),
    )
    .sort()
}

function run(args: readonly string[]): Promise<number> {
  const child = spawn(process.execPath, args, { cwd: root, stdio: 'inherit' })
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => child.kill(signal))
  return new Promise((resolve) => {
    child.on('error', (error) => {
      console.error(`The tests could not be started: ${error.message}`)
      resolve(1)
    })
    child.on('exit', (code) => resolve(code ?? 1))
  })
}
