#!/usr/bin/env node
/**
 * The program's entry: `node src/cli/main.ts COMMAND`.
 *
 * The sources are stripped of their types as they are loaded; keeping the outcome halves the time
 * to start and saves the memory of the stripper. Where the folder cannot be written, nothing is
 * kept.
 */
import { enableCompileCache } from 'node:module'
import { join } from 'node:path'

const cache = join(import.meta.dirname, '..', '..', 'node_modules', '.cache', 'isochrone')
enableCompileCache(cache)
// Threads read the variable only; without it each would load a type stripper of its own (17 MB).
process.env['NODE_COMPILE_CACHE'] ??= cache
const { runProgram } = await import('./program.ts')
const { processTerminal } = await import('./terminal/terminal.ts')

process.exitCode = await runProgram(process.argv.slice(2), {
  terminal: processTerminal(process.env),
  env: process.env,
  folder: process.cwd(),
})
// A connection kept alive by a library must not keep a finished command from ending.
process.exit()
