/** An answer whose reader holds it up is late, and its node is not. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { secureRandom, systemClock, systemTurn } from '../../base/index.ts'
import { createIdentity, hasCode, requestIdOf } from '../../protocol/index.ts'
import { defaultPolicy } from '../../routing/index.ts'
import { type Connection, MemoryNetwork } from '../../transport/index.ts'
import { saying } from '../gateway.fixture.ts'
import { gatewayLimits } from '../limits.ts'
import { parseCompletion } from '../openai/parse-generation.ts'
import { RemoteWorker } from './remote-worker.ts'
import { SignedCalls } from './signed-calls.ts'
import { StandInNode } from './stand-in-node.fixture.ts'

const { request } = parseCompletion(
  { model: 'm', prompt: 'hi' },
  requestIdOf(new Uint8Array(16)),
  secureRandom,
)

async function answerHeldUpFor(heldUpMs: number, readerMs?: () => number) {
  let aheadMs = 0
  const clock = { ...systemClock, now: () => systemClock.now() + aheadMs }
  const identity = createIdentity()
  const network = new MemoryNetwork({ clock: systemClock, random: secureRandom })
  const { promise, resolve } = Promise.withResolvers<Connection>()
  const transport = network.transport(identity.id, { onStream() {}, onConnection: resolve })
  const { address } = await transport.listen('127.0.0.1:0')
  const node = new StandInNode({
    script: saying(['a', 'b']),
    createTransport: (of, events) => network.transport(of.id, events),
  })
  await node.transport.dial(address, undefined)
  const calls = new SignedCalls(
    { network: 'test', ...gatewayLimits },
    { identity, clock, random: secureRandom, turn: systemTurn },
  )
  const faults: string[] = []
  const worker = new RemoteWorker(await promise, node.recordOf(), {
    ...{ clock, calls },
    faults: { answer: (_, kind) => void faults.push(kind), conduct() {} },
    bills: () => defaultPolicy,
  })
  const limits = { signal: new AbortController().signal, deadlineMs: 60_000 }
  let error: unknown
  try {
    const given = readerMs === undefined ? limits : { ...limits, readerMs }
    for await (const _ of worker.generate(request, given)) aheadMs = heldUpMs
  } catch (caught) {
    error = caught
  }
  await node.transport.close()
  await transport.close()
  return { error, faults }
}

test('a client that reads slowly cannot make its node’s result late', async () => {
  const own = await answerHeldUpFor(200_000)
  assert.ok(hasCode(own.error, 'envelope_expired'), String(own.error))
  assert.deepEqual(own.faults, ['result-expired'])
  const clients = await answerHeldUpFor(200_000, () => 200_000)
  assert.equal(clients.error, undefined)
  assert.deepEqual(clients.faults, [])
})
