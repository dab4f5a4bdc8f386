import assert from 'node:assert/strict'
import { test } from 'node:test'
import { json } from '../../base/index.ts'
import { openApiDocument } from './openapi-document.ts'
import type { Route } from './route-table.ts'

const handle = () => {}
const requestId = { 'x-request-id': { $ref: '#/components/headers/x-request-id' } }
const routes: readonly Route[] = [
  {
    method: 'GET',
    path: '/v1/things/:id',
    handle,
    document: {
      summary: 'One thing.',
      tag: 'information',
      answer: json.object({ id: json.string() }, { description: 'A thing.' }),
      otherTypes: ['text/plain'],
      errorStatuses: [404],
      query: [{ name: 'format', schema: json.enum(['json', 'text']) }],
    },
  },
  {
    method: 'GET',
    path: '/healthz',
    open: true,
    handle,
    document: { summary: 'The process runs.', tag: 'operation' },
  },
]

test('parameters, answers and errors of a route are described', () => {
  const { paths } = openApiDocument(routes, '1.2.3') as { paths: Record<string, { get: unknown }> }
  const id = { in: 'path', name: 'id', required: true, schema: { type: 'string' } }
  const format = { name: 'format', schema: { enum: ['json', 'text'] } }
  const thing = {
    type: 'object',
    properties: { id: { type: 'string' } },
    required: ['id'],
    description: 'A thing.',
  }
  const error = { $ref: '#/components/schemas/Error' }
  assert.deepEqual(paths['/v1/things/{id}']?.get, {
    summary: 'One thing.',
    tags: ['information'],
    parameters: [id, { in: 'query', required: false, ...format }],
    responses: {
      200: {
        description: 'A thing.',
        content: {
          'application/json': { schema: thing },
          'text/plain': { schema: { type: 'string' } },
        },
        headers: requestId,
      },
      404: {
        description: 'Not Found',
        content: { 'application/json': { schema: error } },
        headers: requestId,
      },
    },
  })
})

test('each answer has the headers that it can come with', () => {
  const document = {
    ...{ summary: 'Answers.', tag: 'inference' as const, answer: json.string() },
    errorStatuses: [400, 401, 429, 503],
  }
  const asked: Route = { method: 'POST', path: '/v1/answers', handle, document }
  const { components, paths } = openApiDocument([asked], '1.2.3') as {
    components: { headers: Record<string, object> }
    paths: Record<string, { post: { responses: Record<string, { headers: object }> } }>
  }
  const of = (status: number) =>
    Object.keys(paths['/v1/answers']?.post.responses[status]?.headers ?? {})
  const counted = Object.keys(components.headers).filter((name) => name.startsWith('x-ratelimit-'))
  assert.equal(counted.length, 6)
  const model = ['x-isochrone-decision', 'x-isochrone-worker', 'x-isochrone-seed']
  assert.deepEqual(of(200), ['x-request-id', ...model, 'openai-processing-ms', ...counted])
  assert.deepEqual(of(400), ['x-request-id', ...counted])
  assert.deepEqual(of(401), ['x-request-id', 'www-authenticate', ...counted])
  const later = ['retry-after', 'retry-after-ms']
  assert.deepEqual(of(429), ['x-request-id', ...later, ...counted])
  assert.deepEqual(of(503), ['x-request-id', ...later, 'x-should-retry', ...counted])
})

test('a route that is open asks for no key', () => {
  const { paths, security } = openApiDocument(routes, '1.2.3') as {
    paths: Record<string, { get: { security?: unknown; responses: unknown } }>
    security: unknown
  }
  assert.deepEqual(security, [{ apiKey: [] }])
  assert.deepEqual(paths['/healthz']?.get.security, [])
  assert.equal(paths['/v1/things/{id}']?.get.security, undefined)
  assert.deepEqual(paths['/healthz']?.get.responses, {
    200: { description: 'OK', headers: requestId },
  })
})
