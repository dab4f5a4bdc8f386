/**
 * `docs/options.md`: every command and option, from the same tables that parse. A test holds the file to it.
 */
import type { CommandDescription } from './command.ts'
import { defaultInWords } from './help.ts'
import { type OptionDefinition, spellingOf, variableOf } from './option.ts'

const preamble = `# Options

Made from the commands' own tables; \`node src/cli/main.ts COMMAND --help\` shows the same.

Every option can be given as a flag, as an environment variable, or as a key in \`isochrone.yaml\` under the
command's name; the first of these that is there wins. Options that may be given several times are
separated by commas in a variable, and are a list in YAML. Unknown keys are refused.

\`\`\`yaml
# isochrone.yaml
gateway:
  port: 8080
node:
  join: ["127.0.0.1:7400"]
\`\`\`

The file is \`isochrone.yaml\` in the current folder, or what \`--config FILE\` names; \`--config none\` reads no file.

Exit codes of every command: 0 it worked, 1 it failed, 2 it was called wrongly.
`

export function renderOptionsReference(commands: readonly CommandDescription[]): string {
  return [preamble, ...commands.map(renderSection)].join('\n')
}

function renderSection(command: CommandDescription): string {
  const rows = Object.entries(command.options).map(([name, option]) => {
    const cells = [
      `\`${spellingOf(name, option).replaceAll('|', '\\|')}\``,
      `\`${variableOf(name)}\``,
      defaultCell(option),
      option.help.replaceAll('|', '\\|'),
    ]
    return `| ${cells.join(' | ')} |`
  })
  const actions = command.actions.map((action) => {
    const words = action.arguments.map(({ name }) => ` ${name}`).join('')
    return `- \`isochrone ${command.name} ${action.name}${words}\`: ${action.help}`
  })
  return [
    `## isochrone ${command.name}`,
    '',
    `${command.summary}.`,
    '',
    ...(actions.length > 0 ? [...actions, ''] : []),
    '| flag | variable | default | meaning |',
    '|---|---|---|---|',
    ...rows,
    '',
  ].join('\n')
}

function defaultCell(option: OptionDefinition): string {
  if (option.kind === 'flag') return option.default === true ? 'on' : 'off'
  const shown = defaultInWords(option)
  return shown === '' ? '–' : `\`${shown}\``
}
