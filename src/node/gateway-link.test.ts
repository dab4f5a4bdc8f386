/** How a node keeps to its gateways, also to those that behave strangely. */
import assert from 'node:assert/strict'
import { afterEach, beforeEach, test } from 'node:test'
import {
  type Clock,
  type Log,
  ManualClock,
  type Random,
  seededRandom,
  silentLog,
  systemClock,
} from '../base/index.ts'
import { createIdentity, hasCode, IsochroneError, type NodeId } from '../protocol/index.ts'
import { MemoryNetwork } from '../transport/index.ts'
import { createTestNode, TestGateway, type TestNode } from './node.fixture.ts'

let memory: MemoryNetwork
let gateway: TestGateway
const nodes: TestNode[] = []

beforeEach(async () => {
  memory = new MemoryNetwork({ clock: systemClock, random: seededRandom(1) })
  gateway = new TestGateway(memory)
  await gateway.listen()
})

afterEach(async () => {
  for (const { node } of nodes.splice(0)) await node.close()
  await gateway.transport.close()
})

function createNode(options: Parameters<typeof createTestNode>[2]): TestNode {
  const made = createTestNode(memory, gateway, options)
  nodes.push(made)
  return made
}

const limits = { reconnectFirstMs: 1, reconnectMaxMs: 32, linkSteadyMs: 5_000 }
/** The shortest of every wait: a quarter of what it may be. */
const noJitter: Random = { ...seededRandom(1), float: () => 0 }

/** The system's clock, which notes the waits before another attempt, and can be moved on. */
class NotingClock implements Clock {
  readonly waitsMs: number[] = []
  aheadMs = 0

  now(): number {
    return systemClock.now()
  }

  monotonic(): number {
    return systemClock.monotonic() + this.aheadMs
  }

  after(delayMs: number, action: () => void) {
    if (delayMs <= limits.reconnectMaxMs) this.waitsMs.push(delayMs)
    return systemClock.after(delayMs, action)
  }
}

test('a gateway that takes a node in and drops it is left more and more in peace', async () => {
  const clock = new NotingClock()
  const dropped = new Promise<void>((resolve) => {
    gateway.onJoin = () => {
      if (gateway.joins.length === 7) resolve()
      else void gateway.connection.close()
    }
  })
  await createNode({ clock, random: noJitter, limits }).node.start()
  await dropped
  assert.deepEqual(clock.waitsMs, [0.25, 0.5, 1, 2, 4, 8])
  // Once a link has held for a while, the next loss is a first one again.
  clock.aheadMs += limits.linkSteadyMs
  const again = new Promise<void>((resolve) => {
    gateway.onJoin = resolve
  })
  await gateway.connection.close()
  await again
  assert.equal(clock.waitsMs.at(-1), 0.25)
})

test('one gateway under two addresses is joined once, and found again by either', async () => {
  await gateway.transport.listen('gateway:2')
  const { node } = createNode({
    limits: { reconnectFirstMs: 1, reconnectMaxMs: 2 },
    gateways: ['gateway:1', 'gateway:2'].map((address) => ({ id: undefined, address })),
  })
  const joinedTwice = new Promise<void>((resolve) => {
    gateway.onJoin = () => {
      if (gateway.joins.length === 2) resolve()
    }
  })
  await node.start()
  while (gateway.dialled.length < 2) await new Promise((resolve) => setImmediate(resolve))
  const besides = gateway.dialled.find((connection) => connection !== gateway.connection)
  assert.ok(besides !== undefined)
  await Promise.race([besides.closed, joinedTwice])
  assert.equal(gateway.joins.length, 1)
  assert.deepEqual(node.joined(), [gateway.identity.id])
  // The address that was used is gone for good.
  await gateway.listener?.close()
  await gateway.connection.close()
  await joinedTwice
})

test('why a gateway is not reached is told with what to look at', async () => {
  const told = Promise.withResolvers<unknown>()
  const warn: Log['warn'] = (_, fields) => told.resolve(fields?.['reason'])
  const log: Log = { ...silentLog, warn, child: () => log }
  const { node } = createNode({ log, gateways: [{ id: undefined, address: 'nowhere:1' }] })
  node.start().catch(() => {})
  assert.equal(
    await told.promise,
    'could not reach nowhere:1: nothing listens there; is the gateway running, ' +
      'and is the address right?',
  )
})

test('a gateway whose key cannot be remembered is not left connected, and met again', async () => {
  class FullDisk extends Map<string, NodeId> {
    override set(address: string, id: NodeId): this {
      if (gateway.dialled.length === 1) throw new IsochroneError('storage_failed', 'full')
      return super.set(address, id)
    }
  }
  await createNode({ limits, known: new FullDisk() }).node.start()
  assert.equal(gateway.dialled.length, 2)
  assert.equal(gateway.connection, gateway.dialled[1])
  await gateway.dialled[0]?.closed
})

test('a gateway that says it is another than its key is not joined', async () => {
  gateway.gatewayTold = createIdentity().id
  const { node } = createNode({ limits })
  await assert.rejects(node.start(), (error) => hasCode(error, 'identity_mismatch'))
  assert.deepEqual(node.joined(), [])
})

test('who dials a node is shown out, unless it is a gateway that the node joined', async () => {
  const clock = new ManualClock(systemClock.now())
  const { node } = createNode({ clock, listen: 'worker:1', limits: { strangerWaitMs: 1_000 } })
  await node.start()
  const stranger = memory.transport(createIdentity().id, { onStream: () => {} })
  const strange = await stranger.dial('worker:1', node.id)
  const known = await gateway.transport.dial('worker:1', node.id)
  const gone: string[] = []
  void strange.closed.then(() => gone.push('stranger'))
  void known.closed.then(() => gone.push('gateway'))
  await clock.advanceAsync(999)
  await someTurns()
  assert.deepEqual(gone, [])
  await clock.advanceAsync(1)
  await someTurns()
  assert.deepEqual(gone, ['stranger'])
  await clock.advanceAsync(5_000)
  await someTurns()
  assert.deepEqual(gone, ['stranger'])
  await stranger.close()
})

/** Long enough for what is under way in memory to be over. */
async function someTurns(): Promise<void> {
  for (let turn = 0; turn < 50; turn += 1) await new Promise((resolve) => setImmediate(resolve))
}
