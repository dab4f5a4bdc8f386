import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createLog, ManualClock, seededRandom } from '../../base/index.ts'
import { type NodeId, nodeIdOf } from '../../protocol/index.ts'
import { Guests, type Standing } from './guests.ts'
import { agentLimits } from './limits.ts'
import { RationedLog } from './rationed-log.ts'

const random = seededRandom(23)
const many = (count: number) => Array.from({ length: count }, () => nodeIdOf(random.bytes(32)))

function begin(standings = new Map<NodeId, Standing>()) {
  const clock = new ManualClock()
  const lines: string[] = []
  const plain = createLog({ level: 'info', clock, write: (line) => void lines.push(line) })
  const { eventLogBurstMax: burstMax, eventLogPerSecondMax: perSecondMax } = agentLimits
  const log = new RationedLog({ burstMax, perSecondMax }, { clock, log: plain })
  const standingOf = (id: NodeId) => standings.get(id) ?? 'other'
  return { clock, guests: new Guests(agentLimits, { clock, log, standingOf }), lines }
}

const packetBytes = 64_000

/** Bytes that are looked at, of so many packets of each. */
function admitted(guests: Guests, ids: readonly NodeId[], packets: number): number {
  let total = 0
  for (const id of ids) {
    for (let i = 0; i < packets; i += 1) if (guests.admits(id, packetBytes)) total += packetBytes
  }
  return total
}

test('all who merely say that they are gateways share what gateways are let off', () => {
  const declared = many(100)
  const { guests } = begin(new Map(declared.map((id) => [id, 'declared-gateway'])))
  const others = begin()
  const plain = admitted(others.guests, declared, 200)
  const asGateways = admitted(guests, declared, 200)
  const letOffBytes = agentLimits.declaredWorkBurstMax * 128 * 1.1
  assert.ok(asGateways - plain <= letOffBytes, `${asGateways - plain}`)
  assert.ok(asGateways > plain)
})

test('one gateway alone is let off as long as no crowd is', () => {
  const [one] = many(1)
  assert.ok(one)
  const { clock, guests } = begin(new Map([[one, 'declared-gateway']]))
  for (let second = 0; second < 60; second += 1) {
    assert.equal(admitted(guests, [one], 12), 12 * packetBytes, `second ${second}`)
    clock.advance(1_000)
  }
})

test('a crowd takes nothing from a gateway that has proven useful', () => {
  const crowd = many(200)
  const [trusted] = many(1)
  assert.ok(trusted)
  const standings = new Map<NodeId, Standing>(crowd.map((id) => [id, 'declared-gateway']))
  standings.set(trusted, 'trusted-gateway')
  const { clock, guests } = begin(standings)
  for (let second = 0; second < 30; second += 1) {
    admitted(guests, crowd, 10)
    assert.equal(admitted(guests, [trusted], 12), 12 * packetBytes)
    clock.advance(1_000)
  }
})

test('what a relay brings is the work of who wrote it', () => {
  const [relay, writer, other] = many(3)
  assert.ok(relay && writer && other)
  const { guests } = begin()
  let heard = 0
  for (let i = 0; i < 400; i += 1) {
    assert.ok(guests.admits(relay, 6_400), `packet ${i}`)
    if (guests.admitsRelayed(relay, writer, 6_400)) heard += 1
  }
  assert.ok(heard > 50 && heard < 100, `${heard}`)
  assert.ok(guests.admitsRelayed(relay, other, 6_400))
})

test('names without end fill no log', () => {
  const { guests, lines } = begin()
  for (const id of many(2_000)) guests.note(id, 'malformed')
  assert.equal(lines.length, agentLimits.eventLogBurstMax)
  assert.equal(guests.faults().get('malformed'), 2_000)
})
