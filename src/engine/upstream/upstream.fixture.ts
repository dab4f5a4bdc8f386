/** For tests: an OpenAI-compatible server on loopback whose answers a test writes. */
import assert from 'node:assert/strict'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { ManualClock, silentLog } from '../../base/index.ts'
import { type GenerationRequest, IsochroneError } from '../../protocol/index.ts'
import type { Engine } from '../engine.ts'
import { collect, requestOf } from '../onnx-engine.fixture.ts'
import { createUpstreamEngine, type UpstreamEngineOptions } from './upstream-engine.ts'

export type Reply = (response: ServerResponse, request: IncomingMessage, body: string) => void

export interface MockUpstream {
  readonly url: string
  /** Parsed bodies of what was posted. */
  readonly bodies: Record<string, unknown>[]
  readonly requests: { path: string; headers: IncomingMessage['headers'] }[]
  /** Requests whose connection was given up before their answer was complete. */
  aborted: number
  /** How each path is answered; others are 404. */
  readonly replies: Map<string, Reply>
  close(): Promise<void>
}

export async function startMock(
  replies: Readonly<Record<string, Reply>> = {},
): Promise<MockUpstream> {
  const table = new Map(Object.entries({ '/v1/models': models([{ id: 'm' }]), ...replies }))
  const bodies: Record<string, unknown>[] = []
  const requests: MockUpstream['requests'] = []
  const server = createServer((request, response) => {
    const parts: Buffer[] = []
    request.on('data', (part: Buffer) => parts.push(part))
    response.on('close', () => {
      if (!response.writableFinished) mock.aborted += 1
    })
    request.on('end', () => {
      const body = Buffer.concat(parts).toString()
      requests.push({ path: request.url ?? '', headers: request.headers })
      if (body !== '') bodies.push(JSON.parse(body))
      const reply = table.get(request.url ?? '')
      if (reply === undefined)
        json({ error: { message: 'no such path' } }, 404)(response, request, body)
      else reply(response, request, body)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const mock: MockUpstream = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    bodies,
    requests,
    aborted: 0,
    replies: table,
    async close() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
  return mock
}

export function json(value: unknown, status = 200, headers: Record<string, string> = {}): Reply {
  return (response) => {
    response.writeHead(status, { 'content-type': 'application/json', ...headers })
    response.end(JSON.stringify(value))
  }
}

export function models(data: readonly object[]): Reply {
  return json({ object: 'list', data })
}

/** Each part is one write; the answer ends after the last. */
export function sse(...parts: (string | Buffer)[]): Reply {
  return (response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    for (const part of parts) response.write(part)
    response.end()
  }
}

export function data(value: unknown): string {
  return `data: ${typeof value === 'string' ? value : JSON.stringify(value)}\n\n`
}

/** A chat chunk with one choice. */
export function delta(content: object, more: object = {}): string {
  return data({
    id: 'c',
    object: 'chat.completion.chunk',
    choices: [{ index: 0, delta: content, finish_reason: null, ...more }],
  })
}

export const finish = delta({}, { finish_reason: 'stop' })
export const usage = data({
  choices: [],
  usage: { prompt_tokens: 7, completion_tokens: 3, prompt_tokens_details: { cached_tokens: 4 } },
})
export const done = data('[DONE]')

export async function openEngine(
  mock: MockUpstream,
  options: Partial<UpstreamEngineOptions> = {},
): Promise<Engine> {
  return createUpstreamEngine({
    url: mock.url,
    clock: new ManualClock(),
    log: silentLog,
    ...options,
  })
}

export const chat: Partial<GenerationRequest> = {
  kind: 'chat',
  model: 'm',
  messages: [{ role: 'user', content: 'Hi' }],
}

export const generate = (engine: Engine, changes: Partial<GenerationRequest> = {}) =>
  collect(engine.generate(requestOf({ ...chat, ...changes }), new AbortController().signal))

export async function withMock(
  replies: Readonly<Record<string, Reply>>,
  action: (engine: Engine, mock: MockUpstream) => Promise<void>,
  options: Partial<UpstreamEngineOptions> = {},
): Promise<void> {
  const mock = await startMock(replies)
  const engine = await openEngine(mock, options)
  try {
    await action(engine, mock)
  } finally {
    await engine.close()
    await mock.close()
  }
}

export const chatReply = (...parts: (string | Buffer)[]) => ({
  '/v1/chat/completions': sse(...parts),
})
export const hello = [
  delta({ role: 'assistant', content: '' }),
  delta({ content: 'Hel' }),
  delta({ content: 'lo' }),
]

export async function failureOf(promise: Promise<unknown>): Promise<IsochroneError> {
  const error = await promise.then(
    () => assert.fail('it must fail'),
    (reason: unknown) => reason,
  )
  assert.ok(error instanceof IsochroneError, String(error))
  return error
}
