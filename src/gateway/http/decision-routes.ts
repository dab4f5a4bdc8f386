/** Decisions: the newest, one of them, its signed record, and what it was made on. */
import { json } from '../../base/index.ts'
import { type DecisionId, IsochroneError, isDecisionId, type NodeId } from '../../protocol/index.ts'
import {
  columnsMin,
  type Decision,
  type DecisionSeal,
  type KeptDecision,
  type Rejection,
  type RenderOptions,
  renderDecision,
  viewUntil,
} from '../../routing/index.ts'
import type { Account } from '../admission/credentials.ts'
import type { DecisionLog } from '../dispatch/decision-log.ts'
import { type Client, jsonType } from './client.ts'
import { decisionList, decisionOrRecord } from './decision-schemas.ts'
import { Query } from './query.ts'
import type { Route } from './route-table.ts'
import { snakeCased } from './snake-case.ts'

/** A page of decisions: a few hundred KB at most. */
const decisionsPerPageMax = 200
const decisionsPerPageDefault = 20
/** Enough to see what a gate rejects; all are shown where they are asked for. */
const rejectionsPerGateShown = 3

const formats = ['json', 'text', 'record', 'replay'] as const
const textFormats = ['json', 'text'] as const
const rejectionsAsked = ['some', 'all'] as const
const digits = json.string({ pattern: '^[0-9]{1,4}$' })

const limitWords =
  `How many at most: ${decisionsPerPageDefault} unless told, and no more than ` +
  `${decisionsPerPageMax}.`

/** What the routes that tell a decision can be asked. */
export const decisionQuery = [
  { name: 'format', schema: json.enum(textFormats) },
  { name: 'columns', schema: digits, description: 'Of text: how wide its lines may be.' },
  {
    name: 'rejections',
    schema: json.enum(rejectionsAsked),
    description: 'Of JSON: the first few of each gate, or all.',
  },
]

export interface DecisionRouteModules {
  readonly decisionLog: DecisionLog
  /** Who signs now. */
  readonly gateway: NodeId
}

export function decisionRoutes(modules: DecisionRouteModules): readonly Route[] {
  const { decisionLog, gateway } = modules
  return [
    {
      method: 'GET',
      path: '/v1/decisions',
      counts: true,
      document: {
        tag: 'information',
        summary: 'The newest decisions: the key’s own, or for an operator all.',
        answer: decisionList,
        errorStatuses: [400, 401, 404, 429],
        query: [{ name: 'limit', schema: digits, description: limitWords }],
      },
      handle(client) {
        const limit = new Query(client.url).number('limit') ?? decisionsPerPageDefault
        const { role, keyId } = client.account
        const whose = role === 'operator' ? undefined : keyId
        const count = Math.min(limit, decisionsPerPageMax)
        const data = decisionLog.recent(count, whose).map((one) => viewOf(one, false))
        client.send(200, jsonType, JSON.stringify({ object: 'list', data }))
      },
    },
    {
      method: 'GET',
      path: '/v1/decisions/:id',
      counts: true,
      document: {
        tag: 'information',
        summary: 'Why a request went where it went; signed, and with what it was decided on.',
        answer: decisionOrRecord,
        otherTypes: ['text/plain'],
        errorStatuses: [400, 401, 404, 429],
        query: [
          {
            name: 'format',
            schema: json.enum(formats),
            description:
              'record: the text that was signed; replay: with what all nodes were like then.',
          },
          ...decisionQuery.slice(1),
        ],
      },
      handle(client) {
        const format = new Query(client.url).oneOf('format', formats)
        const { decision, id } = readable(client, decisionLog)
        const kept = decisionLog.kept(id)
        if (format === 'record') sendRecord(client, kept, { gateway })
        else if (format === 'replay') {
          sendRecord(client, kept, { gateway, views: viewsOf(decision, decisionLog) })
        } else tell(client, decision, { seal: kept?.seal ?? null, footer: sealInWords(kept) })
      },
    },
  ]
}

interface Told extends Pick<RenderOptions, 'footer' | 'isPreview'> {
  /** Absent: of no record. */
  readonly seal?: DecisionSeal | null
}

/** As JSON, or as text where that is asked for. */
export function tell(client: Client, decision: Decision, told: Told): void {
  const query = new Query(client.url)
  const isAll = query.oneOf('rejections', rejectionsAsked) === 'all'
  const columns = query.number('columns')
  if (query.oneOf('format', formats) === 'text') {
    const width = columns === undefined ? {} : { columns: Math.max(columnsMin, columns) }
    const text = renderDecision(decision, { ...told, ...width })
    client.send(200, 'text/plain; charset=utf-8', text)
    return
  }
  const view = viewOf(decision, isAll)
  if (told.isPreview === true) {
    // An id would promise that it can be asked for.
    const shown = { object: 'route.preview', ...view, id: undefined }
    client.send(200, jsonType, JSON.stringify(shown))
  } else {
    client.send(200, jsonType, JSON.stringify({ ...view, seal: sealView(told.seal ?? null) }))
  }
}

function viewOf(decision: Decision, isAll: boolean): object {
  const { candidates, eligible, reason } = decision
  const rejections = isAll ? decision.rejections : firstFew(decision.rejections)
  const rejectionsLeftOut = candidates - eligible - rejections.length
  return snakeCased({ ...decision, reason, rejections, rejectionsLeftOut })
}

function firstFew(rejections: readonly Rejection[]): readonly Rejection[] {
  const shown = new Map<string, number>()
  return rejections.filter(({ gate }) => {
    const count = (shown.get(gate) ?? 0) + 1
    shown.set(gate, count)
    return count <= rejectionsPerGateShown
  })
}

function sealView(seal: DecisionSeal | null): object | null {
  return seal === null ? null : snakeCased(seal)
}

function sendRecord(
  client: Client,
  kept: KeptDecision | undefined,
  more: { readonly gateway: NodeId; readonly views?: object },
): void {
  const { text = '', seal = null } = kept ?? {}
  client.send(200, jsonType, JSON.stringify({ record: text, seal: sealView(seal), ...more }))
}

/** What the decision saw, as far as it is kept: for each frame its bytes, and none behind it. */
function viewsOf({ rounds }: Decision, decisionLog: DecisionLog): object {
  const changes = new Map<string, number>()
  for (const { view } of rounds) {
    if (view !== null) changes.set(view.frame, Math.max(view.change, changes.get(view.frame) ?? 0))
  }
  const views: { frame: string; bytes: string }[] = []
  for (const [frame, change] of changes) {
    const kept = decisionLog.view(frame)
    const seen = kept === undefined ? undefined : viewUntil(kept, change)
    if (seen !== undefined) views.push({ frame, bytes: Buffer.from(seen).toString('base64') })
  }
  return views
}

function sealInWords(kept: KeptDecision | undefined): string {
  if (kept?.seal == null) return 'Not signed yet: a decision is signed when its request is over.'
  return (
    `Signed by the gateway ${kept.seal.gateway}. Whether this is what it signed is checked by ` +
    '`isochrone explain`, which can also make the decision again (--replay).'
  )
}

interface Readable {
  readonly decision: Decision
  readonly id: DecisionId
}

function readable({ account, id }: Client, decisionLog: DecisionLog): Readable {
  const decision = isDecisionId(id) ? decisionLog.get(id) : undefined
  if (decision === undefined || !mayRead(account, decision)) {
    throw noDecision(id, decisionLog.decisionsMax)
  }
  return { decision, id: decision.id }
}

function mayRead({ role, keyId }: Account, decision: Decision): boolean {
  return role === 'operator' || decision.keyId === keyId
}

/** The same for one that is there and somebody else's: a stranger learns nothing from it. */
function noDecision(id: string, decisionsMax: number): IsochroneError {
  if (!isDecisionId(id)) {
    const message =
      'This is no decision id. One looks like dec_ and 26 letters and digits; every answer has ' +
      'it in the header x-isochrone-decision.'
    return new IsochroneError('not_found', message)
  }
  const message =
    `There is no decision ${id} that this API key may read. The newest ${decisionsMax} of all ` +
    'requests are kept, also over a restart; a key reads those of its own requests, an ' +
    'operator’s key all. GET /v1/decisions lists them.'
  return new IsochroneError('not_found', message)
}
