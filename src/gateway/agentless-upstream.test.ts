/** Straight to an OpenAI-compatible server: the real engine for upstreams behind the gateway. */
import assert from 'node:assert/strict'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type TestContext, test } from 'node:test'
import OpenAI from 'openai'
import { silentLog, systemClock } from '../base/index.ts'
import { createUpstreamEngine } from '../engine/index.ts'
import { startGateway, testKey } from './gateway.fixture.ts'

type Answer = (response: ServerResponse) => void

const words = ['Li', 'ma', '.']

const streamed: Answer = (response) => {
  response.setHeader('content-type', 'text/event-stream')
  for (const content of words) response.write(chunk({ delta: { content }, finish_reason: null }))
  response.write(chunk({ delta: {}, finish_reason: 'stop' }))
  response.write('data: {"id":"u","object":"chat.completion.chunk","created":1,"model":"up",')
  response.write('"choices":[],"usage":{"prompt_tokens":4,"completion_tokens":3,"total_tokens":7}}')
  response.end('\n\ndata: [DONE]\n\n')
}

function chunk(choice: object): string {
  const head = { id: 'u', object: 'chat.completion.chunk', created: 1, model: 'up' }
  return `data: ${JSON.stringify({ ...head, choices: [{ index: 0, ...choice }] })}\n\n`
}

async function through(context: TestContext, answer: Answer) {
  const server = createServer((request: IncomingMessage, response) => {
    if (request.url === '/v1/models') {
      const model = { id: 'up', object: 'model', created: 1, owned_by: 'mock' }
      response.setHeader('content-type', 'application/json')
      response.end(JSON.stringify({ object: 'list', data: [model] }))
    } else if (request.url === '/v1/chat/completions') {
      request.resume().on('end', () => answer(response))
    } else response.writeHead(404).end()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const url = `http://127.0.0.1:${port}/v1`
  const engine = await createUpstreamEngine({ url, clock: systemClock, log: silentLog })
  const { gateway, url: own, observations } = await startGateway()
  gateway.addUpstream({ name: 'mock', engine, region: 'here' })
  context.after(async () => {
    await gateway.close()
    await engine.close()
    server.closeAllConnections()
    server.close()
  })
  const client = new OpenAI({ apiKey: testKey, baseURL: `${own}/v1`, maxRetries: 0 })
  return { client, observations }
}

const messages: OpenAI.ChatCompletionMessageParam[] = [{ role: 'user', content: 'Peru?' }]

test('whole and streamed answers of an upstream come through, with its usage', async (t) => {
  const { client, observations } = await through(t, streamed)
  const whole = await client.chat.completions.create({ model: 'up', messages })
  assert.equal(whole.choices[0]?.message.content, 'Lima.')
  assert.equal(whole.usage?.total_tokens, 7)
  const stream = await client.chat.completions.create({ model: 'up', messages, stream: true })
  const parts: string[] = []
  for await (const { choices } of stream) parts.push(choices[0]?.delta.content ?? '')
  assert.equal(parts.join(''), 'Lima.')
  assert.deepEqual(
    observations.all.map(({ outcome, completionTokens }) => [outcome.kind, completionTokens]),
    [
      ['completed', 3],
      ['completed', 3],
    ],
  )
})

test('an upstream that refuses or breaks is told apart', async (t) => {
  const refusing = await through(t, (response) => {
    response.writeHead(400, { 'content-type': 'application/json' })
    response.end('{"error":{"message":"too odd","type":"invalid_request_error"}}')
  })
  const asked = refusing.client.chat.completions.create({ model: 'up', messages })
  await assert.rejects(asked, { status: 400, code: 'upstream_rejected' })
  const breaking = await through(t, (response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.write(chunk({ delta: { content: 'Li' }, finish_reason: null }))
    setImmediate(() => response.destroy())
  })
  const stream = breaking.client.chat.completions.create({ model: 'up', messages, stream: true })
  await assert.rejects(async () => {
    for await (const part of await stream) void part
  }, OpenAI.APIError)
  assert.equal(breaking.observations.all[0]?.blame, 'node')
})
