/**
 * Routes that only tell: models, nodes, decisions, health, metrics, and the description of all
 * routes.
 */
import type { FastifyInstance } from 'fastify'
import Type from 'typebox'
import type { EvidenceBook } from '../../evidence/index.ts'
import { IsochroneError, isDecisionId, isNodeId, isUpstreamId } from '../../protocol/index.ts'
import { columnsMin, type Decision, renderDecision } from '../../routing/index.ts'
import type { Account } from '../admission/credentials.ts'
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
const format = Type.Object({
  format: Type.Optional(Type.Enum(['json', 'text'])),
  columns: Type.Optional(
    Type.String({ pattern: '^[0-9]{1,4}$', description: 'Of text: how wide its lines may be.' }),
  ),
})
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
    {
      schema: {
        ...describe('The newest decisions: the key’s own, or for an operator all.', decisionList),
        querystring: page,
      },
    },
    async (request) => {
      const limit = Number(request.query.limit ?? decisionsPerPageDefault)
      const { role, keyId } = request.caller.account
      const whose = role === 'operator' ? undefined : keyId
      const count = Math.min(limit, decisionsPerPageMax)
      return { object: 'list', data: decisionLog.recent(count, whose) }
    },
  )
  fastify.get<{ Params: { id: string }; Querystring: DecisionQuery }>(
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
      if (decision === undefined || !mayRead(request.caller.account, decision)) {
        throw noDecision(id, decisionLog.decisionsMax)
      }
      const { format, columns } = request.query
      if (format !== 'text') return decision
      const width = columns === undefined ? undefined : Math.max(columnsMin, Number(columns))
      return reply.type('text/plain; charset=utf-8').send(renderDecision(decision, width))
    },
  )
}

interface DecisionQuery {
  readonly format?: 'json' | 'text'
  readonly columns?: string
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
