/** Joining on a clock that stands: what one connection may ask for, and whom it speaks for. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ManualClock, seededRandom, silentLog, systemTurn } from '../../base/index.ts'
import { EvidenceBook } from '../../evidence/index.ts'
import {
  createIdentity,
  decodeJoinReply,
  type ErrorCode,
  encodeJoin,
  encodeReport,
  hasCode,
  methods,
  type NodeRecord,
  signNodeRecord,
} from '../../protocol/index.ts'
import { defaultPolicy } from '../../routing/index.ts'
import type { CloseReason, Connection, IncomingCall } from '../../transport/index.ts'
import { createJoinTokens, hashSecret } from '../index.ts'
import { GatewayMetrics } from '../metrics.ts'
import { Joining } from './joining.ts'
import { WorkerRegistry } from './registry.ts'
import { SignedCalls } from './signed-calls.ts'

const token = 'join_test'
const identity = createIdentity()
const idle = { running: 0, waiting: 0, kvTokensFree: 0, draining: false }

/** A connection that only counts who asks for its end, and whether somebody ended it. */
class CountedConnection {
  readonly peer = identity.id
  waiting = 0
  isClosed = false

  get closed(): Promise<CloseReason> {
    this.waiting += 1
    return new Promise(() => {})
  }

  async close(): Promise<void> {
    this.isClosed = true
  }

  link() {
    return { roundTripMs: 1 }
  }
}

function setUp(limits = { joinsPerMinuteMax: 3, recordsPerMinuteMax: 2 }) {
  const clock = new ManualClock()
  const registry = new WorkerRegistry(
    { workersMax: 10, disconnectedKeptMs: 1_000 },
    { clock, evidence: new EvidenceBook({ clock }) },
  )
  const own = createIdentity()
  const calls = new SignedCalls(
    { network: 'test', envelopeLifeMs: 1_000, noncesMax: 10, noncesPerNodeMax: 5, workersMax: 5 },
    { identity: own, clock, random: seededRandom(1), turn: systemTurn },
  )
  const metrics = new GatewayMetrics({
    requestsInFlight: () => 0,
    workers: () => registry.counts(),
  })
  const joining = new Joining(
    { network: 'test', gateway: own.id, heartbeatMs: 1_000, joinWaitMs: 1_000, ...limits },
    {
      clock,
      log: silentLog,
      registry,
      calls,
      bills: () => defaultPolicy,
      joinTokens: createJoinTokens([hashSecret(token)]),
      metrics,
    },
  )
  let sequence = 0
  const record = (more: Partial<NodeRecord> = {}) => {
    sequence += 1
    return signNodeRecord(identity, { ...bare(clock.now()), sequence, ...more })
  }
  const call = async (connection: CountedConnection, method: string, message: Uint8Array) => {
    let answer: Uint8Array | undefined
    const incoming = {
      peer: connection.peer,
      connection: connection as unknown as Connection,
      request: async () => message,
      send: async (bytes: Uint8Array) => {
        answer = bytes
      },
    } as Partial<IncomingCall> as IncomingCall
    await joining.handlers[method]?.(incoming)
    return answer ?? new Uint8Array(0)
  }
  const join = (connection: CountedConnection, shown = token) =>
    call(connection, methods.join, encodeJoin({ token: shown, record: record() }))
  const report = (connection: CountedConnection, withRecord = false) =>
    call(
      connection,
      methods.report,
      encodeReport({ load: idle, record: withRecord ? record() : null, links: [] }),
    )
  return { clock, registry, join, report }
}

function bare(now: number): NodeRecord {
  return {
    id: identity.id,
    network: 'test',
    sequence: 1,
    issuedAtMs: now,
    expiresAtMs: now + 600_000,
    softwareVersion: '0.0.0',
    region: 'here',
    cell: '',
    addresses: [],
    hardware: {
      platform: 'test',
      cpu: 'test',
      cores: 1,
      memoryBytes: 1,
      memoryFreeBytes: 1,
      gpu: '',
      gpuMemoryBytes: 0,
      memoryBandwidthBytesPerSecond: 1,
      integerExact: true,
    },
    models: [],
  }
}

const refusedWith = (code: ErrorCode) => (error: unknown) => {
  assert.ok(hasCode(error, code), String(error))
  return true
}

test('a node that joins again over the same connection leaves nothing behind', async () => {
  const { join, registry } = setUp()
  const connection = new CountedConnection()
  decodeJoinReply(await join(connection))
  const worker = registry.get(identity.id)
  const sequence = worker?.describe().record?.sequence ?? 0
  await join(connection)
  await join(connection)
  assert.equal(connection.waiting, 1)
  assert.equal(registry.get(identity.id), worker)
  assert.equal(worker?.describe().record?.sequence, sequence + 2)
  assert.equal(connection.isClosed, false)
})

test('joins over one connection are limited, right and wrong ones, for a while', async () => {
  const { clock, join } = setUp()
  const connection = new CountedConnection()
  await assert.rejects(join(connection, 'wrong'), refusedWith('join_refused'))
  await join(connection)
  await assert.rejects(join(connection, 'wrong'), refusedWith('join_refused'))
  await assert.rejects(join(connection), refusedWith('rate_limited'))
  // Another connection has its own.
  await join(new CountedConnection())
  clock.advance(20_000)
  await join(connection)
})

test('reports with records are limited, those of the load alone are not', async () => {
  const { join, report } = setUp()
  const connection = new CountedConnection()
  await join(connection)
  for (let i = 0; i < 2; i += 1) await report(connection, true)
  await assert.rejects(report(connection, true), refusedWith('rate_limited'))
  for (let i = 0; i < 50; i += 1) await report(connection)
})

test('a report over a connection that gave way to a newer one is refused', async () => {
  const { join, report } = setUp()
  const [old, newer] = [new CountedConnection(), new CountedConnection()]
  await join(old)
  await report(old)
  await join(newer)
  assert.ok(old.isClosed)
  await assert.rejects(report(old), refusedWith('join_refused'))
  await report(newer)
})

test('a node whose record expired is not connected, until it shows a new one', async () => {
  const { clock, join, registry, report } = setUp()
  const connection = new CountedConnection()
  await join(connection)
  const isConnected = () => registry.find(identity.id)?.view.connected
  clock.advance(599_999)
  assert.equal(isConnected(), true)
  clock.advance(1)
  assert.equal(isConnected(), false)
  assert.equal(registry.counts().connected, 0)
  await report(connection, true)
  assert.equal(isConnected(), true)
})
