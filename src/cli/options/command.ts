/**
 * A command as data, and what it is given when it runs.
 */
import type { Terminal } from '../terminal/terminal.ts'
import type { OptionSource, OptionTable, OptionValues } from './option.ts'

/** Exit codes of every command. */
export const exitCode = { ok: 0, failed: 1, usage: 2 } as const

export interface Example {
  readonly command: string
  readonly meaning: string
}

export interface Argument {
  /** In capitals, for example `QUESTION`. */
  readonly name: string
  readonly help: string
  readonly required: boolean
  /** Takes all that remain. Only for the last. */
  readonly many?: boolean
}

/** A word after the command's name, for example `import` in `models import`. */
export interface Action {
  readonly name: string
  readonly help: string
  readonly arguments: readonly Argument[]
  /** What is done where none is named. */
  readonly isDefault?: boolean
}

export interface CommandInput<TTable extends OptionTable> {
  readonly options: OptionValues<TTable>
  /** The action's name; empty where the command has none. */
  readonly action: string
  readonly arguments: readonly string[]
}

/** The process around a command: what a test replaces. */
export interface CommandContext {
  readonly terminal: Terminal
  readonly env: Readonly<Record<string, string | undefined>>
  readonly folder: string
  /** The file the configuration came from; undefined: there is none. */
  readonly configurationFile: string | undefined
  /** What gave an option of the command its value. */
  readonly sourceOf: (option: string) => OptionSource
}

export interface CommandDescription {
  readonly name: string
  readonly summary: string
  readonly arguments: readonly Argument[]
  readonly actions: readonly Action[]
  readonly options: OptionTable
  readonly examples: readonly Example[]
}

export interface Command extends CommandDescription {
  run(input: CommandInput<OptionTable>, context: CommandContext): Promise<number>
}

interface CommandSpec<TTable extends OptionTable> {
  readonly name: string
  readonly summary: string
  readonly arguments?: readonly Argument[]
  readonly actions?: readonly Action[]
  readonly options: TTable
  readonly examples: readonly Example[]
  readonly run: (input: CommandInput<TTable>, context: CommandContext) => Promise<number>
}

/**
 * Ties the type of `run`'s options to the table; the values come from `resolveOptions` of that
 * same table.
 */
export function defineCommand<TTable extends OptionTable>(spec: CommandSpec<TTable>): Command {
  return {
    ...spec,
    arguments: spec.arguments ?? [],
    actions: spec.actions ?? [],
    run: (input, context) => spec.run(input as CommandInput<TTable>, context),
  }
}
