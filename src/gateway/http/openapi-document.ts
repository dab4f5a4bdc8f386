/**
 * The OpenAPI document, gathered from the routes. (The OpenAPI Specification, version 3.1:
 * https://spec.openapis.org/oas/v3.1.0)
 */
import type { Schema } from '../../base/index.ts'
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

function responses({ answer, errorStatuses = [] }: RouteDocument): Record<string, object> {
  const good =
    answer === undefined
      ? { description: 'OK' }
      : { description: descriptionOf(answer), content: json(answer) }
  const error = { $ref: '#/components/schemas/Error' }
  const bad = errorStatuses.map((status) => {
    const description = STATUS_CODES[status] ?? 'An error'
    return [status, { description, content: json(error) }]
  })
  return { 200: good, ...Object.fromEntries(bad) }
}

function descriptionOf(schema: Schema): string {
  const { description } = schema as { description?: unknown }
  return typeof description === 'string' ? description : 'OK'
}

/** @param schema or a reference to one */
function json(schema: object): object {
  return { 'application/json': { schema } }
}
