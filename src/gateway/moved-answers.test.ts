/**
 * Over HTTP and the wire: an answer that is moved from a node that drains, and a late first token
 * that is asked of two. The client reads one answer.
 */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { secureRandom, systemClock } from '../base/index.ts'
import { createIdentity, type GenerationEvent, type Identity } from '../protocol/index.ts'
import { MemoryNetwork, type TransportEvents } from '../transport/index.ts'
import { type Script, startGateway, testKey, testToken } from './gateway.fixture.ts'
import { StandInNode } from './workers/stand-in-node.fixture.ts'

const words = ['Wool', ' is', ' warm', ' and', ' light', '.']
const all = words.join('')

function deltaOf(tokenIds: readonly number[]): GenerationEvent {
  const text = tokenIds.map((id) => words[id] ?? '').join('')
  return { type: 'delta', choice: 0, text, tokenIds, logprobs: [], extra: null }
}

/** From where the request says, and no further than `until`: then it waits to be stopped. */
function writing(until = words.length): Script {
  return async function* ({ continued }, signal) {
    const begun = continued?.[0] ?? []
    if (begun.length > 0) yield [deltaOf(begun)]
    for (let id = begun.length; id < until; id += 1) yield [deltaOf([id])]
    if (until < words.length) {
      await new Promise((resolve) => signal.addEventListener('abort', resolve))
      return
    }
    yield [{ type: 'finish', choice: 0, reason: 'stop' }]
    yield [{ type: 'usage', promptTokens: 3, completionTokens: words.length, cachedTokens: 0 }]
  }
}

async function place(context: TestContext) {
  const network = new MemoryNetwork({ clock: systemClock, random: secureRandom })
  const createTransport = (of: Identity, events: TransportEvents) =>
    network.transport(of.id, events)
  const identity = createIdentity()
  const gateway = await startGateway({ identity })
  const { onStream, onConnection } = gateway.gateway
  const transport = createTransport(identity, { onStream, onConnection })
  const { address } = await transport.listen('127.0.0.1:0')
  const nodes: StandInNode[] = []
  context.after(async () => {
    await Promise.all(nodes.map((node) => node.transport.close()))
    await gateway.gateway.close()
    await transport.close()
  })
  const node = async (script: Script) => {
    const made = new StandInNode({ script, createTransport })
    nodes.push(made)
    const [model] = made.recordOf().models
    assert.ok(model !== undefined)
    const features = ['chat', 'completion', 'continuation'] as const
    // Fast enough for the objective, by its own word.
    const models = [{ ...model, features, prefillTokensPerSecond: 1_000_000 }]
    await made.join(address, testToken, { models })
    return made
  }
  const ask = (more: object = {}) =>
    fetch(`${gateway.url}/v1/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${testKey}`, 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'm', prompt: 'Wool?', stream: true, ...more }),
    })
  return { node, ask, decisions: gateway.decisions }
}

function textOf(stream: string): string {
  const events = stream.split('\n\n').filter((event) => event.startsWith('data: {'))
  const chunks = events.map((event) => JSON.parse(event.slice(6)))
  return chunks.map(({ choices }) => choices?.[0]?.text ?? '').join('')
}

test('a node that drains hands its stream over, and the client reads one answer', async (t) => {
  const { node, ask, decisions } = await place(t)
  const first = await node(writing(3))
  const response = await ask()
  const second = await node(writing())
  await first.report({ running: 1, waiting: 0, kvTokensFree: 0, draining: true })
  const stream = await response.text()
  assert.equal(textOf(stream), all)
  assert.match(stream, /\[DONE\]/)
  assert.deepEqual([first.cancelled, second.generations], [1, 1])
  const decision = decisions.all.get(response.headers.get('x-isochrone-decision') ?? '')
  assert.deepEqual(
    decision?.attempts.map(({ worker, cause, outcome, splice }) => [
      ...[worker, cause, outcome],
      splice?.reason,
    ]),
    [
      [first.id, 'picked', 'cancelled', undefined],
      [second.id, 'migration', 'completed', 'draining'],
    ],
  )
})

test('a first token that is late is asked of a second node', async (t) => {
  const { node, ask, decisions } = await place(t)
  let asked = 0
  const script: Script = (request, signal) => {
    asked += 1
    return asked === 1 ? writing(0)(request, signal) : writing()(request, signal)
  }
  const nodes = [await node(script), await node(script)]
  const response = await ask({ isochrone: { slo: { ttft_ms: 400 } } })
  assert.equal(textOf(await response.text()), all)
  assert.equal(asked, 2)
  assert.equal(nodes[0]?.generations, nodes[1]?.generations)
  const decision = decisions.all.get(response.headers.get('x-isochrone-decision') ?? '')
  assert.deepEqual(
    decision?.attempts.map(({ cause, outcome }) => [cause, outcome]),
    [
      ['picked', 'cancelled'],
      ['hedge', 'completed'],
    ],
  )
})

test('who answered is known to have read the prompt, although another one was asked', async (t) => {
  const { node, ask, decisions } = await place(t)
  const second = Promise.withResolvers<void>()
  let asked = 0
  const script: Script = async function* (request, signal) {
    asked += 1
    const isSecond = asked === 2
    if (isSecond) second.resolve()
    if (asked === 1) await second.promise
    yield* writing(isSecond ? 0 : words.length)(request, signal)
  }
  const nodes = [await node(script), await node(script)]
  const prompt = 'Wool? '.repeat(1_000)
  const hedged = await ask({ prompt, isochrone: { slo: { ttft_ms: 400 } } })
  assert.equal(textOf(await hedged.text()), all)
  assert.deepEqual(
    nodes.map(({ generations }) => generations),
    [1, 1],
  )
  const again = await ask({ prompt })
  await again.text()
  const decision = decisions.all.get(again.headers.get('x-isochrone-decision') ?? '')
  assert.deepEqual(
    decision?.request.warm?.map(({ worker }) => worker),
    [hedged.headers.get('x-isochrone-worker')],
  )
})
