/**
 * Runs one benchmark: `npm run --silent bench -- NAME [options]`; `--help` lists them.
 *
 * Tables go to stdout, the last line there is one line of JSON (bench/report.ts). The exit code
 * says whether the benchmark ran, not whether it reached its figures.
 */
import { parseArgs } from 'node:util'
import type { Bench } from './bench.ts'
import { engineBench } from './engine/engine.ts'
import { faultsBench } from './faults/faults.ts'
import { gatewayBench } from './gateway/gateway.ts'
import { meshBench } from './mesh/mesh.ts'
import { progressDone } from './progress.ts'
import { renderChecks, renderLastLine } from './report.ts'
import { routingBench } from './routing/routing.ts'

const benches: readonly Bench[] = [gatewayBench, engineBench, routingBench, faultsBench, meshBench]
const common = { quick: { type: 'boolean' }, help: { type: 'boolean' } } as const

process.exitCode = await main(process.argv.slice(2))

async function main([name, ...args]: readonly string[]): Promise<number> {
  if (name === undefined || name === '--help') {
    console.log(help())
    return name === undefined ? 2 : 0
  }
  const bench = benches.find((candidate) => candidate.name === name)
  if (bench === undefined) {
    console.error(`There is no benchmark “${name}”.\n\n${help()}`)
    return 2
  }
  try {
    const { values } = parseArgs({ args: [...args], options: { ...common, ...bench.options } })
    if (values['help'] === true) {
      console.log(help())
      return 0
    }
    const report = await bench.run(values, (line) => console.log(line))
    progressDone()
    console.log('')
    for (const line of renderChecks(report.checks)) console.log(line)
    console.log('')
    console.log(renderLastLine(report))
    return 0
  } catch (error) {
    progressDone()
    // What a person mistyped needs no stack.
    if (isMistyped(error)) {
      console.error(`${error.message}\n\n${help()}`)
      return 2
    }
    console.error(error instanceof Error ? (error.stack ?? error.message) : String(error))
    return 1
  }
}

function isMistyped(error: unknown): error is Error {
  return (
    error instanceof Error && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS')
  )
}

function help(): string {
  return [
    'npm run --silent bench -- NAME [options]',
    '',
    ...benches.flatMap(({ name, summary, optionsHelp }) => [
      `  ${name.padEnd(10)} ${summary}`,
      ...optionsHelp.map((line) => `      ${line}`),
    ]),
    '',
    '  --quick    a short run: shows that the benchmark works; its figures mean little',
  ].join('\n')
}
