/** The program's entry, which `bin/isochrone.js` loads. */
import { runProgram } from './program.ts'
import { processTerminal } from './terminal/terminal.ts'

process.exitCode = await runProgram(process.argv.slice(2), {
  terminal: processTerminal(process.env),
  env: process.env,
  folder: process.cwd(),
})
// A connection kept alive by a library must not keep a finished command from ending.
process.exit()
