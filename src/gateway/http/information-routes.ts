/**
 * Routes that only tell: models, nodes, decisions, health, metrics, and the description of all
 * routes.
 */
import type { FastifyInstance } from 'fastify'
import Type from 'typebox'
import type { EvidenceBook } from '../../evidence/index.ts'
import { IsochroneError, isDecisionId, isNodeId, isUpstreamId } from '../../protocol/index.ts'
import { renderDecision } from '../../routing/index.ts'
import type { DecisionLog } from '../dispatch/decision-log.ts'
import type { GatewayMetrics } from '../metrics.ts'
import type { WorkerRegistry } from '../workers/registry.ts'
import {
  decisionAnswer,
  decisionList,
  errorAnswer,
  modelAnswer,
  modelList,
  nodeAnswer,
  nodeList,
} from './openapi.ts'
import { modelView, nodeView } from './views.ts'

export interface InformationRouteModules {
  readonly registry: WorkerRegistry
  readonly evidence: EvidenceBook
  readonly decisionLog: DecisionLog
  readonly metrics: GatewayMetrics
  readonly startedAtMs: number
}

/** A page of decisions: a few hundred KB at most. */
const decisionsPerPageMax = 200
const decisionsPerPageDefault = 20

const open = { config: { open: true } } as const
const byId = { params: Type.Object({ id: Type.String() }) } as const
const format = Type.Object({ format: Type.Optional(Type.Enum(['json', 'text'])) })
const page = Type.Object({ limit: Type.Optional(Type.String({ pattern: '^[0-9]{1,4}$' })) })

export function addInformationRoutes(
  fastify: FastifyInstance,
  modules: InformationRouteModules,
): void {
  addModelRoutes(fastify, modules)
  addNodeRoutes(fastify, modules)
  addDecisionRoutes(fastify, modules)
  addOpenRoutes(fastify, modules)
}

function addModelRoutes(fastify: FastifyInstance, modules: InformationRouteModules): void {
  const { registry, startedAtMs } = modules
  fastify.get(
    '/v1/models',
    { schema: describe('Lists the models that are served now.', modelList) },
    async () => {
      const offers = [...registry.offers()].sort(([a], [b]) => (a < b ? -1 : 1))
      const data = offers.map(([name, all]) => modelView(name, all, startedAtMs))
      return { object: 'list', data }
    },
  )
  fastify.get<{ Params: { id: string } }>(
    '/v1/models/:id',
    { schema: { ...describe('One model.', modelAnswer), ...byId } },
    async (request) => {
      const { id } = request.params
      const offers = registry.offers().get(id)
      if (offers !== undefined) return modelView(id, offers, startedAtMs)
      const message =
        'No node of this network serves this model now; GET /v1/models lists those served.'
      throw new IsochroneError('model_not_found', message, { detail: { param: 'model' } })
    },
  )
}

function addNodeRoutes(fastify: FastifyInstance, modules: InformationRouteModules): void {
  const { registry, evidence } = modules
  fastify.get(
    '/v1/nodes',
    { schema: describe('Lists the workers: nodes and upstreams.', nodeList) },
    async () => ({
      object: 'list',
      data: registry.all().map((worker) => nodeView(worker, evidence)),
    }),
  )
  fastify.get<{ Params: { id: string } }>(
    '/v1/nodes/:id',
    { schema: { ...describe('One worker.', nodeAnswer), ...byId } },
    async (request) => {
      const { id } = request.params
      const worker = isNodeId(id) || isUpstreamId(id) ? registry.find(id) : undefined
      if (worker !== undefined) return nodeView(worker, evidence)
      throw new IsochroneError('not_found', 'No node of this id is known; see GET /v1/nodes.')
    },
  )
}

function addDecisionRoutes(fastify: FastifyInstance, modules: InformationRouteModules): void {
  const { decisionLog } = modules
  fastify.get<{ Querystring: { limit?: string } }>(
    '/v1/decisions',
    { schema: { ...describe('The newest decisions.', decisionList), querystring: page } },
    async (request) => {
      const limit = Number(request.query.limit ?? decisionsPerPageDefault)
      return { object: 'list', data: decisionLog.recent(Math.min(limit, decisionsPerPageMax)) }
    },
  )
  fastify.get<{ Params: { id: string }; Querystring: { format?: 'json' | 'text' } }>(
    '/v1/decisions/:id',
    {
      schema: {
        ...describe('Why a request went where it went.', decisionAnswer),
        ...byId,
        querystring: format,
      },
    },
    async (request, reply) => {
      const { id } = request.params
      const decision = isDecisionId(id) ? decisionLog.get(id) : undefined
      if (decision === undefined) {
        const message =
          'No decision of this id is kept; the newest ones are. See GET /v1/decisions.'
        throw new IsochroneError('not_found', message)
      }
      if (request.query.format !== 'text') return decision
      return reply.type('text/plain; charset=utf-8').send(`${renderDecision(decision).trimEnd()}\n`)
    },
  )
}

function addOpenRoutes(fastify: FastifyInstance, modules: InformationRouteModules): void {
  const { registry, metrics } = modules
  const health = (summary: string) => ({ summary, tags: ['operation'], security: [] })
  fastify.get('/healthz', { ...open, schema: health('The process runs.') }, async () => ({
    status: 'ok',
  }))
  fastify.get(
    '/readyz',
    { ...open, schema: health('A model is served; 503 until then.') },
    async (_request, reply) => {
      const models = registry.offers().size
      if (models === 0) reply.code(503)
      return { status: models > 0 ? 'ready' : 'waiting', models, workers: registry.counts() }
    },
  )
  fastify.get(
    '/metrics',
    { ...open, schema: health('Figures for Prometheus.') },
    async (_request, reply) => reply.type(metrics.contentType).send(await metrics.render()),
  )
  let document: string | undefined
  fastify.get(
    '/openapi.json',
    { ...open, schema: health('This description.') },
    async (_request, reply) => {
      document ??= JSON.stringify(fastify.swagger())
      return reply.type('application/json; charset=utf-8').send(document)
    },
  )
}

function describe(summary: string, answer: Type.TSchema) {
  return {
    summary,
    tags: ['information'],
    response: { 200: answer, 401: errorAnswer, 404: errorAnswer },
  }
}
