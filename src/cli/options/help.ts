/**
 * `--help`, of the whole program and of each command, from the same tables that parse.
 */
import { renderTable } from '../terminal/table.ts'
import type { Style } from '../terminal/terminal.ts'
import { widthOf } from '../terminal/width.ts'
import { wrap } from '../terminal/wrap.ts'
import type { Action, CommandDescription, Example } from './command.ts'
import { commandLine } from './command-line.ts'
import { type OptionDefinition, spellingOf, variableOf } from './option.ts'

/** Wider lines are hard to read, narrower terminals are rare. */
const widthMin = 40
const widthMax = 100
const indent = '  '

export function renderProgramHelp(commands: readonly CommandDescription[], style: Style): string {
  const rows = commands.map((command) => [`  ${style.cyan(command.name)}`, command.summary])
  return [
    `${style.bold('Isochrone')}: AI inference on computers that nobody centrally controls.`,
    '',
    `${style.bold('Usage')}  ${commandLine('COMMAND')} [OPTIONS]`,
    '',
    style.bold('Commands'),
    withoutTitle(rows),
    style.bold('Everywhere'),
    withoutTitle([
      ['  --help', 'what a command does, its options, examples'],
      ['  --version', 'the version of this program'],
    ]),
    'Options come from flags, then from ISOCHRONE_* variables, then from isochrone.yaml.',
    'Exit codes: 0 it worked, 1 it failed, 2 it was called wrongly.',
    '',
  ].join('\n')
}

export function renderCommandHelp(
  command: CommandDescription,
  style: Style,
  columns: number,
): string {
  const width = Math.min(widthMax, Math.max(widthMin, columns))
  const sections = [`${style.bold(`isochrone ${command.name}`)}: ${command.summary}`, '']
  sections.push(style.bold('Usage'), ...usageLines(command), '')
  const named = command.actions.length > 0 ? actionRows(command.actions) : argumentRows(command)
  if (named.length > 0) {
    sections.push(style.bold(command.actions.length > 0 ? 'Actions' : 'Arguments'))
    sections.push(definitionList(named, style, width), '')
  }
  sections.push(style.bold('Options'), definitionList(optionRows(command), style, width), '')
  sections.push(style.bold('Examples'))
  for (const example of command.examples) {
    sections.push(
      `${indent}${style.dim(`# ${example.meaning}`)}`,
      `${indent}${exampleLine(example)}`,
    )
  }
  sections.push(
    '',
    ...wrap(
      `Each option is also a variable, for example ${exampleVariable(command)}, and a key of ` +
        `section "${command.name}" in isochrone.yaml. ` +
        'Exit codes: 0 it worked, 1 it failed, 2 it was called wrongly.',
      width,
    ),
    '',
  )
  return sections.join('\n')
}

function exampleLine({ command }: Example): string {
  const [program, ...rest] = command.split(' ')
  return program === 'isochrone' ? commandLine(rest.join(' ')) : command
}

function usageLines(command: CommandDescription): string[] {
  const start = `${indent}${commandLine(command.name)}`
  if (command.actions.length === 0) return [`${start}${signature(command)} [OPTIONS]`]
  return command.actions.map((action) => `${start} ${action.name}${signature(action)} [OPTIONS]`)
}

function signature(taker: Pick<CommandDescription, 'arguments'>): string {
  return taker.arguments
    .map(({ name, required, many }) => {
      const shown = many === true ? `${name} …` : name
      return required ? ` ${shown}` : ` [${shown}]`
    })
    .join('')
}

type Definition = readonly [term: string, meaning: string]

function actionRows(actions: readonly Action[]): Definition[] {
  return actions.map((action) => [`${action.name}${signature(action)}`, action.help])
}

function argumentRows(command: CommandDescription): Definition[] {
  return command.arguments.map((argument) => [argument.name, argument.help])
}

function optionRows(command: CommandDescription): Definition[] {
  const rows = Object.entries(command.options).map<Definition>(([name, option]) => [
    spellingOf(name, option),
    `${option.help}${defaultNote(option)}`,
  ])
  return [...rows, ['--help', 'this text']]
}

function defaultNote(option: OptionDefinition): string {
  const shown = defaultInWords(option)
  return shown === '' || option.kind === 'flag' ? '' : ` (default ${shown})`
}

/** Empty: there is none. */
export function defaultInWords(option: OptionDefinition): string {
  if (option.defaultText !== undefined) return option.defaultText
  const value = option.default
  if (value === undefined || (Array.isArray(value) && value.length === 0)) return ''
  return String(value)
}

function exampleVariable(command: CommandDescription): string {
  return variableOf(Object.keys(command.options)[0] ?? 'data')
}

function definitionList(rows: readonly Definition[], style: Style, width: number): string {
  const widest = Math.max(...rows.map(([term]) => widthOf(term)))
  // Names take at most half of a narrow screen; the longer ones get lines of their own.
  const termWidth = Math.min(34, Math.floor(width / 2) - 6, widest)
  const left = indent.length + termWidth + 2
  return rows
    .flatMap(([term, meaning]) => {
      const lines = wrap(meaning, width - left)
      const fits = widthOf(term) <= termWidth
      const head = `${indent}${style.cyan(term)}`
      const gap = ' '.repeat(fits ? termWidth - widthOf(term) + 2 : 0)
      const rest = lines.slice(fits ? 1 : 0).map((line) => `${' '.repeat(left)}${line}`)
      return [fits ? `${head}${gap}${lines[0] ?? ''}` : head, ...rest]
    })
    .join('\n')
}

function withoutTitle(rows: readonly (readonly string[])[]): string {
  return renderTable([{ title: '' }, { title: '' }], rows).replace(/^\n/, '')
}
