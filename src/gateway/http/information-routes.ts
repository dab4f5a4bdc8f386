/**
 * Routes that only tell: models, nodes, decisions, health, metrics, and the description of all
 * routes.
 */
import type { EvidenceBook } from '../../evidence/index.ts'
import { IsochroneError, isNodeId, isUpstreamId, type NodeId } from '../../protocol/index.ts'
import type { DecisionLog } from '../dispatch/decision-log.ts'
import type { Earnings } from '../dispatch/earnings.ts'
import type { GatewayMetrics } from '../metrics.ts'
import type { LatencyWatch } from '../workers/latency-watch.ts'
import type { MeshWatch } from '../workers/mesh-watch.ts'
import type { WorkerRegistry } from '../workers/registry.ts'
import { type AccountRouteModules, accountRoutes } from './account-routes.ts'
import { type Client, jsonType } from './client.ts'
import { decisionRoutes } from './decision-routes.ts'
import { type IncidentRouteModules, incidentRoutes } from './incident-routes.ts'
import { latencyMapRoute } from './latency-map-route.ts'
import { meshRoutes } from './mesh-routes.ts'
import {
  documentAnswer,
  healthAnswer,
  modelAnswer,
  modelList,
  nodeAnswer,
  nodeList,
  readyAnswer,
} from './openapi.ts'
import { type PreviewRouteModules, previewRoute } from './preview-route.ts'
import type { Route, RouteDocument } from './route-table.ts'
import { modelView, nodeView } from './views.ts'

export interface InformationRouteModules
  extends IncidentRouteModules,
    PreviewRouteModules,
    AccountRouteModules {
  readonly registry: WorkerRegistry
  readonly earnings?: Earnings | undefined
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

export function informationRoutes(modules: InformationRouteModules): readonly Route[] {
  return [
    ...modelRoutes(modules),
    ...nodeRoutes(modules),
    ...meshRoutes(modules),
    latencyMapRoute(modules.latencies),
    ...decisionRoutes(modules),
    previewRoute(modules),
    ...incidentRoutes(modules),
    ...accountRoutes(modules),
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
      ...counted(
        information('/v1/nodes', {
          summary: 'Lists the workers: nodes and upstreams.',
          answer: nodeList,
        }),
      ),
      handle(client) {
        const data = registry.all().map((worker) => nodeView(worker, about))
        sendValue(client, { object: 'list', data })
      },
    },
    {
      ...counted(information('/v1/nodes/:id', { summary: 'One worker.', answer: nodeAnswer })),
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

function openRoutes(modules: InformationRouteModules): readonly Route[] {
  const { registry, metrics, description } = modules
  return [
    {
      ...operation('/healthz', { summary: 'The process runs.', answer: healthAnswer }),
      handle: (client) => sendValue(client, { status: 'ok' }),
    },
    {
      ...operation('/readyz', {
        summary: 'A model is served; 503 until then.',
        answer: readyAnswer,
      }),
      handle(client) {
        const models = registry.offers().size
        const status = models > 0 ? 'ready' : 'waiting'
        sendValue(client, { status, models, workers: registry.counts() }, models > 0 ? 200 : 503)
      },
    },
    {
      ...operation('/metrics', {
        summary: 'Figures for Prometheus.',
        otherTypes: ['text/plain'],
      }),
      handle: (client) => client.send(200, metrics.contentType, metrics.render()),
    },
    {
      ...operation('/openapi.json', { summary: 'This description.', answer: documentAnswer }),
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

function counted({ document, ...route }: ReturnType<typeof information>) {
  const errorStatuses = [...document.errorStatuses, 429]
  return { ...route, counts: true as const, document: { ...document, errorStatuses } }
}

function operation(path: string, words: Omit<RouteDocument, 'tag'>) {
  const document = { ...words, tag: 'operation' as const }
  return { method: 'GET' as const, path, open: true, document }
}
