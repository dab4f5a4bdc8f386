/** docs/options.md, from the tables that also parse the options and print `--help`. */
import { commands } from '../../src/cli/commands/all.ts'
import type { Command } from '../../src/cli/options/command.ts'
import { defaultInWords } from '../../src/cli/options/help.ts'
import { type OptionDefinition, spellingOf, variableOf } from '../../src/cli/options/option.ts'
import { code, markdownTable, page } from './markdown.ts'

export function optionsPage(): string {
  return page('Commands and options', [
    `\`npm run --silent isochrone -- COMMAND …\` in a clone, or \`isochrone COMMAND …\` where it is
installed.`,
    `An option comes from its flag, else from its variable, else from the command's section in
\`isochrone.yaml\`, where it has the same name:

\`\`\`yaml
gateway:
  port: 9090
\`\`\`

What is on unless \`--no-NAME\` is given has a variable, and a key in the file, that turns it off
with \`false\`.

Exit codes: 0 it worked, 1 it failed, 2 it was called wrongly.`,
    ...commands.flatMap(commandSection),
    ...aboutUpstreams,
  ])
}

const aboutUpstreams: readonly string[] = [
  '## When an upstream server cannot be reached',
  `A server that \`gateway --upstream\` or \`node --upstream-url\` names has to answer when the
command begins: else that ends with exit code 1 and says why. Later the server is asked for its
models every 30 s. After three failures in a row it counts as offering none, until a list comes
again. Requests that fail meanwhile open its circuit breaker at the gateway, as any node's: others
are asked, as long as there are others.`,
]

function commandSection(command: Command): readonly string[] {
  const { name, summary, options, examples, actions } = command
  const taken = command.arguments.map(argumentInWords).join('')
  const lines =
    actions.length === 0
      ? [`isochrone ${name}${taken} [OPTIONS]`]
      : actions.map((action) => {
          const words = action.arguments.map(argumentInWords).join('')
          return `isochrone ${name} ${action.name}${words} [OPTIONS]   # ${action.help}`
        })
  const rows = Object.entries(options).map(([option, definition]) => [
    code(spellingOf(option, definition)),
    code(variableIn(option, definition)),
    defaultInWords(definition) || '–',
    definition.help,
  ])
  return [
    `## ${name}`,
    `${summary[0]?.toUpperCase()}${summary.slice(1)}.`,
    `\`\`\`\n${lines.join('\n')}\n\`\`\``,
    markdownTable(['option', 'variable', 'default', 'meaning'], rows),
    ['Examples:', ...examples.map((one) => `\n- ${code(one.command)}: ${one.meaning}`)].join('\n'),
  ]
}

/** As it says the same as the flag beside it. */
function variableIn(name: string, option: OptionDefinition): string {
  return option.default === true ? `${variableOf(name)}=false` : variableOf(name)
}

function argumentInWords({ name, required, many }: Command['arguments'][number]): string {
  const shown = many === true ? `${name} …` : name
  return required ? ` ${shown}` : ` [${shown}]`
}
