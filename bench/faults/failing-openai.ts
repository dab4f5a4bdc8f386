/**
 * An OpenAI server that lists its model and answers everything else with an instant 503. It listens
 * on as many ports as the first argument says, which it prints as JSON on the first line; `GET
 * /refused` tells how many requests it refused there.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

const created = 1_700_000_000
const models = JSON.stringify({
  object: 'list',
  data: [{ id: 'mock-model', object: 'model', created, owned_by: 'bench' }],
})
const failure = JSON.stringify({ error: { message: 'out of order', type: 'server_error' } })

const ports = await Promise.all(Array.from({ length: Number(process.argv[2] ?? 1) }, listen))
console.log(JSON.stringify(ports))
// Ends with its standard input, and so with whoever holds that open.
process.stdin.resume().on('end', () => process.exit(0))

function listen(): Promise<number> {
  let refused = 0
  // Idle connections stay open: one that is closed in the moment of its reuse fails otherwise.
  const server = createServer({ keepAliveTimeout: 3_600_000 }, (request, response) => {
    if (request.url === '/refused') return send(response, 200, String(refused))
    if (request.method === 'GET') return send(response, 200, models)
    refused += 1
    refuse(request, response)
  })
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port))
  })
}

/** When the request is read: a connection that still sends cannot be used again. */
function refuse(request: IncomingMessage, response: ServerResponse): void {
  request.resume().on('end', () => send(response, 503, failure))
}

function send(response: ServerResponse, status: number, body: string): void {
  const length = Buffer.byteLength(body)
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': length })
  response.end(body)
}
