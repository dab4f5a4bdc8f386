/** A benchmark as data: what `bench/main.ts` lists, parses options for, and runs. */
import type { ParseArgsConfig } from 'node:util'
import type { Report } from './report.ts'

export interface Bench {
  readonly name: string
  readonly summary: string
  /** Beside `--quick` (a short run, as a smoke test), which every benchmark understands. */
  readonly options: NonNullable<ParseArgsConfig['options']>
  readonly optionsHelp: readonly string[]
  run(options: BenchOptions, print: (line: string) => void): Promise<Report>
}

export type BenchOptions = Readonly<Record<string, unknown>>
