/**
 * The OpenAPI document, gathered from the routes. (The OpenAPI Specification, version 3.1:
 * https://spec.openapis.org/oas/v3.1.0)
 */
import type { Schema } from '../../base/index.ts'
import { answerHeaders, headersOf } from './answer-headers.ts'
import { STATUS_CODES } from './node-http.ts'
import { errorAnswer } from './openapi.ts'
import type { Route, RouteDocument } from './route-table.ts'

export function openApiDocument(routes: readonly Route[], softwareVersion: string): object {
  const paths: Record<string, Record<string, object>> = {}
  for (const route of routes) {
    const path = route.path.replace(':id', '{id}')
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: operation(route) }
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Isochrone gateway',
      version: softwareVersion,
      description: 'OpenAI’s interface, and why each request went where it went.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    components: {
      securitySchemes: { apiKey: { type: 'http', scheme: 'bearer' } },
      schemas: { Error: errorAnswer },
      headers: headers(),
    },
    paths,
    security: [{ apiKey: [] }],
  }
}

function operation({ document, open, path }: Route): object {
  const { summary, tag, body, query = [] } = document
  const parameters = [
    ...(path.includes(':id')
      ? [{ in: 'path', name: 'id', required: true, schema: { type: 'string' } }]
      : []),
    ...query.map((parameter) => ({ in: 'query', required: false, ...parameter })),
  ]
  return {
    summary,
    tags: [tag],
    ...(open === true ? { security: [] } : {}),
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(body === undefined ? {} : { requestBody: { required: true, content: json(body) } }),
    responses: responses(document),
  }
}

function responses({ answer, errorStatuses = [], otherTypes = [], tag }: RouteDocument) {
  const texts = otherTypes.map((type) => [type, { schema: { type: 'string' } }])
  const content = { ...(answer && json(answer)), ...Object.fromEntries(texts) }
  const good = {
    description: answer === undefined ? 'OK' : descriptionOf(answer),
    ...(Object.keys(content).length === 0 ? {} : { content }),
  }
  const error = { $ref: '#/components/schemas/Error' }
  const bad = errorStatuses.map((status) => {
    const description = STATUS_CODES[status] ?? 'An error'
    return [status, { description, content: json(error) }] as const
  })
  // Who can have sent too much is counted.
  const of = { isOfModel: tag === 'inference', isCounted: errorStatuses.includes(429) }
  const all = [[200, good] as const, ...bad].map(([status, response]) => {
    const headers = headersOf({ ...of, status }).map(({ name }) => [
      name,
      { $ref: `#/components/headers/${name}` },
    ])
    return [status, { ...response, headers: Object.fromEntries(headers) }]
  })
  return Object.fromEntries(all) as Record<string, object>
}

function headers(): Record<string, object> {
  const schema = { type: 'string' }
  const all = answerHeaders.map(({ meaning, name }) => [name, { description: meaning, schema }])
  return Object.fromEntries(all)
}

function descriptionOf(schema: Schema): string {
  const { description } = schema as { description?: unknown }
  return typeof description === 'string' ? description : 'OK'
}

/** @param schema or a reference to one */
function json(schema: object): object {
  return { 'application/json': { schema } }
}
