/** Incidents: the list, one of them, and what an operator decides. */
import { json } from '../../base/index.ts'
import {
  causeInWords,
  classOfCause,
  type Incident,
  type IncidentId,
  isIncidentId,
} from '../../evidence/index.ts'
import { IsochroneError, isNodeId } from '../../protocol/index.ts'
import type { Earnings } from '../dispatch/earnings.ts'
import { checkOf } from '../openai/validation.ts'
import type { StandingKeeper } from '../workers/standing-keeper.ts'
import { type Client, jsonType } from './client.ts'
import { incidentAnswer, incidentList, type RulingBody, rulingBody } from './incident-schemas.ts'
import { type OperatorModules, operatorsOnly } from './operators-only.ts'
import { Query } from './query.ts'
import type { Route } from './route-table.ts'
import { snakeCased } from './snake-case.ts'

/** Some 500 bytes each. */
const incidentsMax = 1_000
const incidentsDefault = 100
const which = ['open', 'all'] as const
const limitQuery = {
  name: 'limit',
  schema: json.string({ pattern: '^[0-9]{1,4}$' }),
  description: `${incidentsDefault} at most unless told, and no more than ${incidentsMax}.`,
}

export interface IncidentRouteModules extends OperatorModules {
  readonly earnings?: Pick<Earnings, 'account'> | undefined
  readonly faults: Pick<StandingKeeper, 'book' | 'rule'>
}

export function incidentRoutes(modules: IncidentRouteModules): readonly Route[] {
  const { earnings, faults } = modules
  return [
    {
      method: 'GET',
      path: '/v1/incidents',
      counts: true,
      document: {
        tag: 'information',
        summary: 'The incidents that this gateway keeps, newest first.',
        answer: incidentList,
        errorStatuses: [400, 401, 429],
        query: [
          { name: 'which', schema: json.enum(which), description: 'Default: open.' },
          limitQuery,
        ],
      },
      handle(client) {
        const query = new Query(client.url)
        const isAll = query.oneOf('which', which) === 'all'
        const limit = Math.min(query.number('limit') ?? incidentsDefault, incidentsMax)
        const found = faults.book.incidents().filter(({ state }) => isAll || state !== 'closed')
        send(client, { object: 'list', data: found.slice(0, limit).map(summaryOf) })
      },
    },
    {
      method: 'GET',
      path: '/v1/incidents/:id',
      counts: true,
      document: {
        tag: 'information',
        summary: 'One incident: its evidence, its signed steps, what was decided.',
        answer: incidentAnswer,
        errorStatuses: [401, 404, 429],
      },
      async handle(client) {
        const incident = known(faults.book.find(idOf(client)), client.id)
        if (client.account.role === 'operator') {
          send(client, { ...viewOf(incident), account: await accountOf(incident, earnings) })
          // Its evidence has the hash of what somebody else asked, which can be guessed at.
        } else send(client, { ...summaryOf(incident), ...unshown })
      },
    },
    {
      method: 'POST',
      path: '/v1/incidents/:id/decision',
      check: checkOf(rulingBody),
      document: {
        tag: 'operation',
        summary: 'An operator lifts an incident, upholds it, or lets a node prove itself now.',
        body: rulingBody,
        answer: incidentAnswer,
        errorStatuses: [400, 401, 403, 404, 413, 415],
      },
      async handle(client, body) {
        const { role, keyId } = client.account
        if (role !== 'operator')
          throw operatorsOnly('Incidents are decided with an operator’s key.', modules)
        const { appeal = null, decision, reason } = body as RulingBody
        known(faults.book.find(idOf(client)), client.id)
        const ruling = { decision, reason, appeal, by: keyId }
        const ruled = await faults.rule(idOf(client), ruling)
        send(client, { ...viewOf(ruled), account: await accountOf(ruled, earnings) })
      },
    },
  ]
}

function idOf({ id }: Client): IncidentId {
  if (isIncidentId(id)) return id
  const message = 'This is no incident id. One looks like inc_ and 26 letters and digits.'
  throw new IsochroneError('not_found', message)
}

function known(incident: Incident | undefined, id: string): Incident {
  if (incident !== undefined) return incident
  const message = `There is no incident ${id} here; GET /v1/incidents?which=all lists them.`
  throw new IsochroneError('not_found', message)
}

/** null: it is about no node, or one that has earned nothing; or that cannot be read now. */
async function accountOf(
  { subject }: Incident,
  earnings: IncidentRouteModules['earnings'],
): Promise<object | null> {
  if (subject.kind !== 'worker' || !isNodeId(subject.worker)) return null
  // While the disk fails, an incident is shown all the same.
  const account = await earnings?.account(subject.worker).catch(() => undefined)
  return account === undefined ? null : { object: 'account', ...account }
}

const unshown = { account: null, evidence: null, steps: null }

function summaryOf(incident: Incident): object {
  const { evidence: _, steps: __, ...plain } = incident
  const { cause } = incident
  const about = { class: classOfCause(cause), causeInWords: causeInWords(cause) }
  return { object: 'incident', ...plain, ...about }
}

function viewOf(incident: Incident): object {
  const { evidence, steps } = incident
  return { ...summaryOf(incident), evidence, steps: steps.map(({ signed }) => signed) }
}

function send(client: Client, value: object): void {
  client.send(200, jsonType, JSON.stringify(snakeCased(value)))
}
