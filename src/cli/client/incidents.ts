/** `isochrone incidents`: as a table, one by one, and what an operator decides. */
import { isNodeId } from '../../protocol/index.ts'
import { type CommandContext, exitCode } from '../options/command.ts'
import { usageError } from '../options/usage-error.ts'
import { renderTable } from '../terminal/table.ts'
import type { Terminal } from '../terminal/terminal.ts'
import { type AccountView, accountLines } from './accounts.ts'
import {
  type ClientOptions,
  commandAt,
  type GatewayClient,
  openGatewayClient,
  shownJson,
} from './gateway-client.ts'

export interface IncidentsOptions extends ClientOptions {
  readonly action: string
  readonly subject: string | undefined
  readonly all: boolean
  readonly reason: string | undefined
  readonly appeal: string | undefined
}

/** What is shown of `GET /v1/incidents`. */
export interface IncidentView {
  readonly id: string
  readonly class: string
  readonly subject: {
    readonly kind: string
    readonly worker?: string
    readonly model?: string
    readonly trait?: string
    readonly value?: string
  }
  readonly cause_in_words: string
  readonly state: string
  readonly opened_at_ms: number
  readonly closed_at_ms: number | null
  readonly shut_until_ms: number | null
  readonly recurrences: number
  readonly because: string | null
  readonly rulings: readonly {
    readonly decision: string
    readonly reason: string
    readonly appeal: string | null
    readonly by: string
  }[]
}

export interface WholeIncidentView extends IncidentView {
  /** null: for operators only. */
  readonly evidence: (object & { readonly found?: unknown }) | null
  /** What its node has earned; null or absent: nothing, or for operators only. */
  readonly account?: AccountView | null
  readonly steps: readonly SignedStep[] | null
}

interface SignedStep {
  readonly json: string
  readonly signature: string
}

type Screen = Pick<Terminal, 'style' | 'width'>

export async function runIncidents(
  options: IncidentsOptions,
  context: CommandContext,
): Promise<number> {
  const { action, all, json } = options
  const { terminal } = context
  // What is wrong with the command line is said before anything is asked.
  const path = action === 'list' ? '' : pathOf(options)
  const client = openGatewayClient(options, context)
  if (action === 'list') {
    const answer = await client.get(`/v1/incidents?limit=1000${all ? '&which=all' : ''}`)
    const { data } = (await shownJson(answer, json)) as { readonly data: readonly IncidentView[] }
    if (json) terminal.out(`${JSON.stringify(data)}\n`)
    else if (data.length === 0) terminal.note(`There is no ${all ? '' : 'open '}incident.\n`)
    else terminal.out(renderIncidents(data, terminal))
    return exitCode.ok
  }
  const asked = action === 'show' ? client.get(path) : decide(client, path, options)
  const incident = (await shownJson(await asked, json)) as WholeIncidentView
  terminal.out(json ? `${JSON.stringify(incident)}\n` : renderIncident(incident, terminal))
  return exitCode.ok
}

/** @throws a usage error, where something is missing */
function pathOf(options: IncidentsOptions): string {
  const { action, reason, subject } = options
  if (subject === undefined || !/^inc_[a-z2-7]{26}$/.test(subject)) {
    throw usageError(
      `"${subject ?? ''}" is not an incident’s id, which is "inc_" and 26 letters and digits; ` +
        `${commandAt(options, 'incidents')} lists them`,
    )
  }
  if (action !== 'show' && (reason ?? '').trim() === '') {
    throw usageError(`${action} needs --reason TEXT: it stays on record with the decision.`)
  }
  return `/v1/incidents/${subject}`
}

async function decide(
  client: GatewayClient,
  path: string,
  { action, appeal, reason }: IncidentsOptions,
): Promise<Response> {
  const body = { decision: action, reason, appeal: appeal ?? null }
  return client.post(`${path}/decision`, body)
}

export function renderIncidents(all: readonly IncidentView[], { style, width }: Screen): string {
  const columns = [
    { title: 'INCIDENT' },
    { title: 'SINCE' },
    { title: 'STATE' },
    { title: 'ABOUT' },
    { title: 'WHAT' },
  ] as const
  const rows = all.map((one) => [
    one.id,
    dateOf(one.opened_at_ms),
    one.state,
    subjectOf(one),
    one.cause_in_words,
  ])
  return renderTable(columns, rows, { paintTitle: style.bold, width })
}

export function renderIncident(
  incident: WholeIncidentView,
  { style }: Pick<Terminal, 'style'>,
): string {
  const { because, evidence, recurrences, rulings, shut_until_ms: until, steps } = incident
  const lines = [
    style.bold(`Incident ${incident.id}`),
    `About     ${incident.subject.worker ?? subjectOf(incident)}`,
    ...(incident.subject.model === undefined ? [] : [`Model     ${incident.subject.model}`]),
    `What      ${incident.cause_in_words} (${incident.class})`,
    `State     ${incident.state}${until === null ? '' : untilWords(incident.state, until)}`,
    ...(stateWords[incident.state] ?? []).map((line) => `          ${line}`),
    ...(typeof evidence?.found === 'string' ? [`Found     ${evidence.found}`] : []),
    ...earnedLines(incident),
    `Opened    ${dateOf(incident.opened_at_ms)}`,
    ...(incident.closed_at_ms === null ? [] : [`Closed    ${dateOf(incident.closed_at_ms)}`]),
    ...(recurrences === 0
      ? []
      : [`Again     ${recurrences === 1 ? 'once' : `${recurrences} times`}`]),
    ...(because === null ? [] : [`Because   ${because}`]),
    '',
    style.bold('What was decided'),
    ...(rulings.length === 0 ? ['  nothing yet'] : rulings.flatMap(rulingLines)),
    '',
    ...(steps === null || evidence === null
      ? ['Its evidence and its steps are shown to an operator’s key.']
      : provenLines(steps, evidence)),
  ]
  return `${lines.join('\n')}\n`
}

function earnedLines({ account }: WholeIncidentView): readonly string[] {
  if (account === undefined || account === null) return []
  return accountLines(account).map((line, i) => `${i === 0 ? 'Earned' : '      '}    ${line}`)
}

/** What a state means, in lines; docs/http.md has the same in a table. */
const stateWords: Readonly<Record<string, readonly string[]>> = {
  quarantined: ['It gets no request. “lift” ends this, “uphold” leaves it to an operator alone.'],
  proving: ['It has stated what it runs, and answers questions of this gateway, nobody else’s.'],
  probation: ['It has answered rightly, and gets a client’s request now and then.'],
  shut: ['It gets no request for a while.'],
  trial: ['It gets requests again; right answers end this, another fault shuts it out again.'],
  suspended: ['Many failed together: nothing follows for this one until an operator decides.'],
  asked: [
    'Nothing follows by itself; an operator is asked to look at what they share.',
    '“lift” forgives those that are suspended with it, “uphold” shuts each of them out.',
  ],
}

/** Whoever is quarantined may prove itself from then on; every other gate opens. */
function untilWords(state: string, atMs: number): string {
  const date = dateOf(atMs)
  return state === 'quarantined' ? `; may prove itself from ${date}` : `, until ${date}`
}

function rulingLines({ appeal, by, decision, reason }: IncidentView['rulings'][number]): string[] {
  const line = `  ${decision} by ${by}: ${reason}`
  return appeal === null ? [line] : [`  appeal: ${appeal}`, line]
}

function provenLines(steps: readonly SignedStep[], evidence: object): string[] {
  const shown = JSON.stringify(evidence, null, 2).split('\n')
  return [
    'Steps, each signed by the gateway',
    ...steps.map(stepLine),
    '',
    'Evidence',
    ...shown.map((line) => `  ${line}`),
  ]
}

type ShownStep = Readonly<Record<string, unknown>> & {
  readonly ruling?: { readonly decision: string } | null
}

function stepLine({ json }: SignedStep): string {
  const { atMs, cause, kind, ruling, state, step } = JSON.parse(json) as ShownStep
  const more = kind === 'recurred' ? cause : ruling?.decision
  const why = typeof more === 'string' ? ` (${more})` : ''
  return `  ${step}. ${dateOf(Number(atMs))} ${kind}: ${state}${why}`
}

function subjectOf({ subject }: IncidentView): string {
  if (subject.worker !== undefined) {
    const { model, worker } = subject
    const name = worker.startsWith('upstream-') ? worker : worker.slice(0, 8)
    return model === undefined ? name : `${name}, ${model}`
  }
  const { trait, value = '' } = subject
  return `all of ${trait} ${isNodeId(value) ? value.slice(0, 8) : value}`
}

function dateOf(ms: number): string {
  return new Date(ms).toISOString().replace('T', ' ').slice(0, 19)
}
