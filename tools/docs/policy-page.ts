/** docs/policy.md, from the tables that also parse the file, and from the example beside it. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { defaultInWords } from '../../src/cli/options/help.ts'
import type { OptionTable } from '../../src/cli/options/option.ts'
import { parsePolicy } from '../../src/cli/policy/parse-policy.ts'
import {
  classFields,
  policyFields,
  routingFields,
  ruleFields,
  settlementFields,
  tierFields,
} from '../../src/cli/policy/policy-fields.ts'
import { renderPolicy } from '../../src/cli/policy/show-policy.ts'
import { plainStyle } from '../../src/cli/terminal/terminal.ts'
import { code, markdownTable, page } from './markdown.ts'

const example = readFileSync(join(import.meta.dirname, '../../docs/policy.yaml'), 'utf8')
const columns = 100

export function policyPage(): string {
  const look = { style: plainStyle, width: columns }
  const meaning = renderPolicy(parsePolicy({ file: 'policy.yaml', text: example }), look)
  return page('The policy of a gateway', [
    `A policy says in which tier a model is, what a tier asks of the nodes that serve it, and by
which numbers requests are routed. \`isochrone gateway --policy FILE\` follows one, and so does
\`isochrone start --policy FILE\`. Without one, every node that offers a model may serve it.`,
    `The file is read again when it changes, within a second, and every decision from then on
follows it, also about requests that are under way. A file with a fault is refused: the log
names file, line and column and how to mend it, and the policy before it stays in force. The
same is said before a gateway does by \`isochrone policy check FILE\`. Every decision names the
version of its policy: its name, and a hash of all values, so that a comment changes nothing.
\`isochrone explain --preview QUESTION\` shows which one is followed now, and whom it turns away.`,
    `## An example

[policy.yaml](policy.yaml):

\`\`\`yaml
${example.trimEnd()}
\`\`\`

\`isochrone policy check docs/policy.yaml\` says:

\`\`\`
${meaning.trimEnd()}
\`\`\``,
    section('At the top', 'Beside the four sections below.', policyFields),
    section('`classes`', aboutClasses, classFields),
    section('`tiers`', aboutTiers, tierFields),
    section('`classes` of a tier', 'What a class may have otherwise than its tier.', ruleFields),
    aboutFloors,
    section('`routing`', 'Numbers of every decision, whatever the tier.', routingFields),
    section('`settlement`', settlementWords, settlementFields),
  ])
}

const aboutClasses = `A class of hardware by name, in order: a node is of the first class whose
every condition its record meets, of \`other\` if it meets none; of \`unknown\`, with the rules
of \`other\`, if its driver does not tell the memory of its GPU; a server without a node is
\`upstream\`. All that a node states of its machine is a claim. So a tier can ask a better class
for a higher floor, and pay it more: whoever claims a class has to be as fast as it.`

const aboutTiers = `A tier by name. A model is in one tier: in the one that names it, else in
the one with the longest beginning that fits. Under \`classes\` stand the classes that may serve
the tier, each with what differs for it; without, all may. Each line is a gate of its own, and
nothing else: neither price nor hardware changes the order of those that pass by reliability.`

const aboutFloors = `The floor is compared with what this gateway measured of the node with this
very model, never with what the node says, nor with how it did in another tier. The node is shut
out when the upper bound (95 %) of its median rate is below the floor. Answers that had to wait
for a slot do not count. Until three were seen nobody can tell, so a newcomer is given a trial.`

const settlementWords = `A node signs what it bills beside what it delivered, in figures. More
tokens than the bytes that went to and fro can be, or than came by their ids, cannot be: so much is
paid and counted, and no more. A little over is an observation; more than this is severe.`

function section(title: string, about: string, fields: OptionTable): string {
  const rows = Object.entries(fields).map(([name, field]) => [
    code(name),
    field.kind === 'list' ? `list of ${field.placeholder}` : valuesOf(field),
    defaultInWords(field) || 'any',
    field.help,
  ])
  return `## ${title}\n\n${about}\n\n${markdownTable(['key', 'value', 'default', 'meaning'], rows)}`
}

function valuesOf({ choices, kind, min, max, placeholder }: OptionTable[string]): string {
  if (choices !== undefined) return choices.map(code).join(' or ')
  if (kind === 'text') return placeholder
  return `${placeholder}, ${min} to ${max}`
}
