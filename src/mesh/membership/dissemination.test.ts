import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seededRandom } from '../../base/index.ts'
import { type NodeId, nodeIdOf } from '../../protocol/index.ts'
import { Dissemination } from './dissemination.ts'
import { seal } from './mini-network.fixture.ts'
import { membershipLimits } from './presets.ts'

const { newsMax, piggybackBytesMax } = membershipLimits
const random = seededRandom(11)
const nextId = () => nodeIdOf(random.bytes(32))

function alive(subject: NodeId, incarnation = 1) {
  const payload = new Uint8Array(64)
  return seal({ kind: 'alive', subject, incarnation, payload } as const, 0)
}

function left(subject: NodeId) {
  return seal({ kind: 'left', subject, incarnation: 1 } as const, 0)
}

test('a refutation is told at once, whatever waits and whatever comes', () => {
  const news = new Dissemination(4)
  for (let i = 0; i < 300; i += 1) news.add(alive(nextId()))
  const refutation = alive(nextId(), 2)
  news.add(refutation, true)
  for (let told = 0; told < 8; told += 1) {
    for (let i = 0; i < 20; i += 1) news.add(alive(nextId()))
    assert.ok(news.take(piggybackBytesMax, 64).includes(refutation), `${told}`)
  }
  assert.ok(!news.take(piggybackBytesMax, 64).includes(refutation)) // as often as all else
})

test('what waits is told in its turn, however much comes after it', () => {
  const news = new Dissemination(4)
  for (let i = 0; i < 60; i += 1) news.add(left(nextId()))
  const one = left(nextId())
  news.add(one)
  let packets = 0
  while (!news.take(piggybackBytesMax, 64).includes(one)) {
    packets += 1
    assert.ok(packets < 20)
    for (let i = 0; i < 10; i += 1) news.add(left(nextId()))
  }
})

test('a flood makes no refutation fall out', () => {
  const news = new Dissemination(4)
  const refutation = alive(nextId(), 2)
  news.add(refutation, true)
  for (let i = 0; i < 2 * newsMax; i += 1) news.add(left(nextId()))
  assert.equal(news.length, newsMax)
  assert.ok(news.take(piggybackBytesMax, 64).includes(refutation))
})
