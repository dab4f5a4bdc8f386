import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seededRandom } from '../../base/index.ts'
import { type NodeId, nodeIdOf } from '../../protocol/index.ts'
import { viewLimits } from '../digests/limits.ts'
import { GatewayChoice, gatewayChoiceLimits } from './gateway-choice.ts'

const { provenAfterMs } = gatewayChoiceLimits
const random = seededRandom(17)
const many = (count: number) => Array.from({ length: count }, () => nodeIdOf(random.bytes(32)))

class Setting {
  readonly addresses = new Map<NodeId, string>()
  readonly connected = new Set<NodeId>()
  readonly choice: GatewayChoice
  nowMs = 0

  constructor(seed = 1) {
    this.choice = new GatewayChoice({
      random: seededRandom(seed),
      isConnected: (id) => this.connected.has(id),
      addressOf: (id) => this.addresses.get(id),
    })
  }

  /** They answer each half minute. */
  answer(ids: readonly NodeId[], forMs: number): void {
    const endMs = this.nowMs + forMs
    for (; this.nowMs < endMs; this.nowMs += 30_000) {
      for (const id of ids) this.choice.noteAnswer(id, this.nowMs)
    }
  }

  choose(gateways: readonly NodeId[]): NodeId[] {
    return this.choice.choose(gateways, this.nowMs)
  }
}

test('new names, however many and near, displace no gateway that has proven useful', () => {
  const setting = new Setting()
  const real = many(4)
  setting.answer(real, provenAfterMs + 30_000)
  const hostile = many(1_000)
  for (const id of hostile) setting.choice.noteAnswer(id, setting.nowMs)
  const chosen = setting.choose([...hostile, ...real])
  assert.deepEqual(chosen.slice(0, 2).sort(), [real[0], real[1]].sort())
  assert.ok(real.every((id) => chosen.includes(id)))
  assert.ok(chosen.length <= viewLimits.gatewaysMax)
  const unproven = chosen.filter((id) => !real.includes(id))
  assert.equal(unproven.length, gatewayChoiceLimits.unprovenMax)
  assert.ok(real.every((id) => setting.choice.isTrusted(id)))
  assert.ok(!unproven.some((id) => setting.choice.isTrusted(id)))
})

test('the gateway that this process joined comes first while it is there', () => {
  const setting = new Setting()
  const [joined] = many(1)
  assert.ok(joined)
  setting.choice.noteJoined(joined)
  setting.connected.add(joined)
  const hostile = many(100)
  assert.equal(setting.choose([...hostile, joined])[0], joined)
  setting.connected.delete(joined)
  assert.ok(!setting.choice.isProven(joined, setting.nowMs))
})

test('one who stops answering is proven no more, and begins anew', () => {
  const setting = new Setting()
  const [one] = many(1)
  assert.ok(one)
  setting.answer([one], provenAfterMs + 30_000)
  assert.ok(setting.choice.isProven(one, setting.nowMs))
  setting.nowMs += gatewayChoiceLimits.gapMaxMs + 1
  assert.ok(!setting.choice.isProven(one, setting.nowMs))
  setting.choice.noteAnswer(one, setting.nowMs)
  assert.ok(!setting.choice.isProven(one, setting.nowMs))
})

test('names that answer at one site leave others room to prove themselves', () => {
  const setting = new Setting()
  const hostile = many(400)
  for (const id of hostile) setting.addresses.set(id, '10.9.9.9:1')
  for (const id of hostile) setting.choice.noteAnswer(id, 0)
  const real = many(4)
  setting.answer([...hostile, ...real], provenAfterMs + 30_000)
  const proven = (id: NodeId) => setting.choice.isProven(id, setting.nowMs)
  assert.ok(real.every(proven))
  assert.equal(hostile.filter(proven).length, gatewayChoiceLimits.answersPerSiteMax)
})

test('many names at one site take turns as one before all others', () => {
  const setting = new Setting()
  const real = many(6)
  for (const [i, id] of real.entries()) setting.addresses.set(id, `10.0.0.${i + 1}:9000`)
  const hostile = many(200)
  for (const [i, id] of hostile.entries()) setting.addresses.set(id, `10.9.9.9:${1_000 + i}`)
  const chosen = setting.choose([...hostile, ...real])
  const { perSiteFirst } = gatewayChoiceLimits
  assert.ok(real.every((id) => chosen.slice(0, real.length + perSiteFirst).includes(id)))
})

test('while none has proven useful chance has its share, and draws anew later', () => {
  const told = new Map<NodeId, number>()
  const setting = new Setting(3)
  const gateways = many(10)
  for (let draw = 0; draw < 50; draw += 1) {
    const [first, second] = setting.choose(gateways)
    assert.equal(first, gateways[0])
    assert.deepEqual(setting.choose(gateways)[1], second)
    if (second !== undefined) told.set(second, (told.get(second) ?? 0) + 1)
    setting.nowMs += gatewayChoiceLimits.drawMs
  }
  assert.ok(told.size >= 6, `${told.size} of 9`)
})

test('a federation of as many gateways as are dealt with deals with all of them', () => {
  const setting = new Setting()
  const gateways = many(viewLimits.gatewaysMax / 2)
  setting.answer(gateways.slice(0, 1), provenAfterMs + 30_000)
  assert.deepEqual(setting.choose(gateways).sort(), [...gateways].sort())
})
