/**
 * A mock OpenAI server that answers at once: what is left of a figure is the gateway's own work.
 *
 * Runs as a process of its own; prints its port on the first line. A stream sends each chunk as a
 * write of its own, as a server that decodes token by token does. With a number as its argument it
 * takes so many ms to begin each answer.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

const model = 'mock-model'
const chunks = 20
const created = 1_700_000_000
const delayMs = Number(process.argv[2] ?? 0)
const usage = { prompt_tokens: 12, completion_tokens: chunks, total_tokens: 12 + chunks }
const words = Array.from({ length: chunks }, (_, index) => ` word${index}`)

const models = JSON.stringify({
  object: 'list',
  data: [{ id: model, object: 'model', created, owned_by: 'bench' }],
})
const answer = JSON.stringify({
  id: 'chatcmpl-mock',
  object: 'chat.completion',
  created,
  model,
  choices: [
    {
      index: 0,
      message: { role: 'assistant', content: words.join('') },
      logprobs: null,
      finish_reason: 'stop',
    },
  ],
  usage,
})
const events = [
  ...words.map((content) => event({ delta: { content }, finish_reason: null })),
  event({ delta: {}, finish_reason: 'stop' }),
]
const usageEvent = `data: ${JSON.stringify({ ...chunk([]), usage })}\n\n`
const done = 'data: [DONE]\n\n'

// Idle connections stay open: a proxy that reuses one in the moment it closes would fail by chance.
const server = createServer({ keepAliveTimeout: 3_600_000 }, (request, response) => {
  if (request.method === 'GET') return sendJson(response, models)
  readBody(request, (body) => {
    if (delayMs > 0) setTimeout(() => answerTo(body, response), delayMs)
    else answerTo(body, response)
  })
})
server.listen(0, '127.0.0.1', () => console.log((server.address() as AddressInfo).port))
// Ends with its standard input, and so with whoever holds that open.
process.stdin.resume().on('end', () => process.exit(0))

function answerTo(body: string, response: ServerResponse): void {
  const asked: { stream?: boolean; stream_options?: { include_usage?: boolean } } = JSON.parse(body)
  if (asked.stream !== true) {
    sendJson(response, answer)
    return
  }
  const withUsage = asked.stream_options?.include_usage === true
  sendStream(response, withUsage ? [...events, usageEvent, done] : [...events, done])
}

function chunk(choices: readonly object[]): object {
  return { id: 'chatcmpl-mock', object: 'chat.completion.chunk', created, model, choices }
}

function event(choice: object): string {
  return `data: ${JSON.stringify(chunk([{ index: 0, ...choice }]))}\n\n`
}

function readBody(request: IncomingMessage, use: (body: string) => void): void {
  const parts: Buffer[] = []
  request.on('data', (part: Buffer) => parts.push(part))
  request.on('end', () => use(Buffer.concat(parts).toString()))
}

function sendJson(response: ServerResponse, body: string): void {
  response.writeHead(200, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body),
  })
  response.end(body)
}

function sendStream(response: ServerResponse, parts: readonly string[]): void {
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' })
  let next = 0
  const sendNext = () => {
    response.write(parts[next])
    next += 1
    if (next < parts.length) setImmediate(sendNext)
    else response.end()
  }
  sendNext()
}
