/**
 * Routes that only tell: models, nodes, decisions, health, metrics, and the description of all
 * routes.
 */
import { json } from '../../base/index.ts'
import type { EvidenceBook } from '../../evidence/index.ts'
import {
  IsochroneError,
  isDecisionId,
  isNodeId,
  isUpstreamId,
  type NodeId,
} from '../../protocol/index.ts'
import { columnsMin, type Decision, renderDecision } from '../../routing/index.ts'
import type { Account } from '../admission/credentials.ts'
import type { DecisionLog } from '../dispatch/decision-log.ts'
import type { GatewayMetrics } from '../metrics.ts'
import type { LatencyWatch } from '../workers/latency-watch.ts'
import type { MeshWatch } from '../workers/mesh-watch.ts'
import type { WorkerRegistry } from '../workers/registry.ts'
import { type Client, jsonType } from './client.ts'
import { type IncidentRouteModules, incidentRoutes } from './incident-routes.ts'
import { latencyMapRoute } from './latency-map-route.ts'
import { meshRoutes } from './mesh-routes.ts'
import {
  decisionAnswer,
  decisionList,
  modelAnswer,
  modelList,
  nodeAnswer,
  nodeList,
} from './openapi.ts'
import { Query } from './query.ts'
import type { Route, RouteDocument } from './route-table.ts'
import { snakeCased } from './snake-case.ts'
import { modelView, nodeView } from './views.ts'

export interface InformationRouteModules extends IncidentRouteModules {
  readonly registry: WorkerRegistry
  readonly evidence: EvidenceBook
  readonly decisionLog: DecisionLog
  readonly metrics: GatewayMetrics
  readonly latencies: LatencyWatch
  readonly gateway: NodeId
  readonly mesh: MeshWatch
  readonly startedAtMs: number
  /** The OpenAPI document of all routes. */
  readonly description: () => object
}

/** A page of decisions: a few hundred KB at most. */
const decisionsPerPageMax = 200
const decisionsPerPageDefault = 20

export function informationRoutes(modules: InformationRouteModules): readonly Route[] {
  return [
    ...modelRoutes(modules),
    ...nodeRoutes(modules),
    ...meshRoutes(modules),
    latencyMapRoute(modules.latencies),
    ...decisionRoutes(modules),
    ...incidentRoutes(modules),
    ...openRoutes(modules),
  ]
}

function modelRoutes({ registry, startedAtMs }: InformationRouteModules): readonly Route[] {
  return [
    {
      ...information('/v1/models', {
        summary: 'Lists the models that are served now.',
        answer: modelList,
      }),
      handle(client) {
        const offers = [...registry.offers()].sort(([a], [b]) => (a < b ? -1 : 1))
        const data = offers.map(([name, all]) => modelView(name, all, startedAtMs))
        sendValue(client, { object: 'list', data })
      },
    },
    {
      ...information('/v1/models/:id', { summary: 'One model.', answer: modelAnswer }),
      handle(client) {
        const offers = registry.offers().get(client.id)
        if (offers !== undefined) {
          sendValue(client, modelView(client.id, offers, startedAtMs))
          return
        }
        const message =
          'No node of this network serves this model now; GET /v1/models lists those served.'
        throw new IsochroneError('model_not_found', message, { detail: { param: 'model' } })
      },
    },
  ]
}

function nodeRoutes(about: InformationRouteModules): readonly Route[] {
  const { registry } = about
  return [
    {
      ...information('/v1/nodes', {
        summary: 'Lists the workers: nodes and upstreams.',
        answer: nodeList,
      }),
      handle(client) {
        const data = registry.all().map((worker) => nodeView(worker, about))
        sendValue(client, { object: 'list', data })
      },
    },
    {
      ...information('/v1/nodes/:id', { summary: 'One worker.', answer: nodeAnswer }),
      handle(client) {
        const { id } = client
        const worker = isNodeId(id) || isUpstreamId(id) ? registry.find(id) : undefined
        if (worker === undefined) {
          throw new IsochroneError('not_found', 'No node of this id is known; see GET /v1/nodes.')
        }
        sendValue(client, nodeView(worker, about))
      },
    },
  ]
}

function decisionRoutes({ decisionLog }: InformationRouteModules): readonly Route[] {
  const list = 'The newest decisions: the key’s own, or for an operator all.'
  return [
    {
      ...information('/v1/decisions', {
        summary: list,
        answer: decisionList,
        query: [{ name: 'limit', schema: digits, description: 'How many at most.' }],
      }),
      handle(client) {
        const limit = new Query(client.url).number('limit') ?? decisionsPerPageDefault
        const { role, keyId } = client.account
        const whose = role === 'operator' ? undefined : keyId
        const count = Math.min(limit, decisionsPerPageMax)
        sendValue(client, {
          object: 'list',
          data: decisionLog.recent(count, whose).map(snakeCased),
        })
      },
    },
    {
      ...information('/v1/decisions/:id', {
        summary: 'Why a request went where it went.',
        answer: decisionAnswer,
        query: [
          { name: 'format', schema: json.enum(decisionFormats) },
          { name: 'columns', schema: digits, description: 'Of text: how wide its lines may be.' },
        ],
      }),
      handle(client) {
        const query = new Query(client.url)
        const format = query.oneOf('format', decisionFormats)
        const columns = query.number('columns')
        const { id } = client
        const decision = isDecisionId(id) ? decisionLog.get(id) : undefined
        if (decision === undefined || !mayRead(client.account, decision)) {
          throw noDecision(id, decisionLog.decisionsMax)
        }
        if (format !== 'text') {
          sendValue(client, snakeCased(decision))
          return
        }
        const width = columns === undefined ? undefined : Math.max(columnsMin, columns)
        client.send(200, 'text/plain; charset=utf-8', renderDecision(decision, width))
      },
    },
  ]
}

const decisionFormats = ['json', 'text'] as const
const digits = json.string({ pattern: '^[0-9]{1,4}$' })

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

function openRoutes(modules: InformationRouteModules): readonly Route[] {
  const { registry, metrics, description } = modules
  return [
    {
      ...operation('/healthz', 'The process runs.'),
      handle: (client) => sendValue(client, { status: 'ok' }),
    },
    {
      ...operation('/readyz', 'A model is served; 503 until then.'),
      handle(client) {
        const models = registry.offers().size
        const status = models > 0 ? 'ready' : 'waiting'
        sendValue(client, { status, models, workers: registry.counts() }, models > 0 ? 200 : 503)
      },
    },
    {
      ...operation('/metrics', 'Figures for Prometheus.'),
      handle: (client) => client.send(200, metrics.contentType, metrics.render()),
    },
    {
      ...operation('/openapi.json', 'This description.'),
      handle: (client) => sendValue(client, description()),
    },
  ]
}

function sendValue(client: Client, value: object, status = 200): void {
  client.send(status, jsonType, JSON.stringify(value))
}

function information(path: string, words: Pick<RouteDocument, 'summary' | 'answer' | 'query'>) {
  const errorStatuses = [...(words.query === undefined ? [] : [400]), 401, 404]
  const document = { ...words, tag: 'information' as const, errorStatuses }
  return { method: 'GET' as const, path, document }
}

function operation(path: string, summary: string) {
  return {
    method: 'GET' as const,
    path,
    open: true,
    document: { summary, tag: 'operation' as const },
  }
}
