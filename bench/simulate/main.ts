/**
 * Runs a simulation: `npm run --silent simulate -- mesh --nodes N --latency FILE --seed S`, or
 * `npm run --silent simulate -- routing --policy NAME --seed S`.
 *
 * Tables go to stdout, the last line there is one line of JSON in the benchmarks' form
 * (bench/report.ts). The same options give the same bytes. Progress goes to stderr. The exit code
 * says whether the simulation ran, not what the checkers found.
 */
import { parseArgs } from 'node:util'
import { IsochroneError } from '../../src/protocol/index.ts'
import { progressDone } from '../progress.ts'
import { meshOptions, runMesh } from './mesh.ts'
import { meshHelp, meshWords } from './mesh-help.ts'
import { routingHelp, routingOptions, routingWords, runRouting } from './routing.ts'

const simulations = {
  mesh: {
    options: meshOptions,
    run: runMesh,
    help: [...meshHelp, '', ...meshWords],
  },
  routing: {
    options: routingOptions,
    run: runRouting,
    help: [...routingHelp, '', ...routingWords],
  },
} as const
type Name = keyof typeof simulations

process.exitCode = await main(process.argv.slice(2))

async function main([name, ...args]: readonly string[]): Promise<number> {
  if (name === undefined || name === '--help' || name === '-h') {
    console.log(help())
    return name === undefined ? 2 : 0
  }
  if (!isName(name)) {
    const known = Object.keys(simulations).map((one) => `“${one}”`)
    console.error(`There is no simulation “${name}”; there are ${known.join(', ')}.\n\n${help()}`)
    return 2
  }
  const values = parse(name, args)
  if (values === undefined) return 2
  if (values['help'] === true) {
    console.log(help(simulations[name].help))
    return 0
  }
  try {
    await simulations[name].run(values, (line) => console.log(line))
    return 0
  } catch (error) {
    progressDone()
    // What a person can mend needs no stack.
    const isForAPerson = error instanceof IsochroneError && error.code === 'invalid_configuration'
    console.error(isForAPerson ? error.message : error)
    return isForAPerson ? 2 : 1
  }
}

function isName(name: string): name is Name {
  return Object.hasOwn(simulations, name)
}

function parse(name: Name, args: readonly string[]): Readonly<Record<string, unknown>> | undefined {
  try {
    const options = { ...simulations[name].options, help: { type: 'boolean', short: 'h' } } as const
    return parseArgs({ args: [...args], options }).values
  } catch (error) {
    console.error(`${whatIsWrong(error)}. --help lists the options.`)
    return undefined
  }
}

/** The first sentence; what follows guesses at what was meant. */
function whatIsWrong(error: unknown): string {
  const [what = ''] = (error instanceof Error ? error.message : String(error)).split(/\.\s/)
  return what
    .replace(/\.$/, '')
    .replace('argument is ambiguous', 'needs a value, with no dash before it')
}

function help(about: readonly string[] = [...meshHelp, '', ...routingHelp]): string {
  return ['npm run --silent simulate -- NAME [options]', '', ...about].join('\n')
}
