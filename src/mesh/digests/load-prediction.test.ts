import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Random, seededRandom } from '../../base/index.ts'
import { OwnRequests, type PredictionOptions, type SaidLoad } from './load-prediction.ts'

const options: PredictionOptions = { roundTripMs: 100, tokensPerRequest: 100 }
const idle: SaidLoad = { running: 0, waiting: 0, slots: 4, tokensPerSecond: 400, saidAtMs: 0 }

test('what was sent since the entry is added, what it contains is not counted twice', () => {
  const own = new OwnRequests()
  own.sent(-500)
  own.sent(-500)
  own.sent(200)
  const said = { ...idle, running: 2, saidAtMs: 0 }
  const none = { others: 0, queueMs: 0 }
  assert.deepEqual(own.predict(said, 300, options), {
    ...none,
    running: 3,
    waiting: 0,
    sentSince: 1,
  })
})

test('a request that was on its way when the node spoke is not in the entry', () => {
  const own = new OwnRequests()
  own.sent(-40)
  assert.equal(own.predict({ ...idle, running: 1 }, 0, options).running, 2)
  const earlier = new OwnRequests()
  earlier.sent(-60)
  assert.equal(earlier.predict({ ...idle, running: 1 }, 0, options).running, 1)
})

test('an answer that came since is no longer there', () => {
  const own = new OwnRequests()
  own.sent(-500)
  own.ended(200)
  assert.equal(own.underWay, 0)
  own.ended(250)
  assert.equal(own.underWay, 0)
  assert.equal(own.predict({ ...idle, running: 1 }, 300, options).running, 0)
})

test('others’ requests drain by the measured rate, and not where none is measured', () => {
  const own = new OwnRequests()
  const said = { ...idle, running: 4, waiting: 4 }
  // 4 requests a second.
  const drained = { running: 4, waiting: 0, others: 4, sentSince: 0, queueMs: 0 }
  assert.deepEqual(own.predict(said, 1_000, options), drained)
  assert.equal(own.predict(said, 500, options).queueMs, 500)
  assert.equal(own.predict(said, 60_000, options).running, 0)
  const unmeasured = { ...said, tokensPerSecond: 0 }
  const predicted = own.predict(unmeasured, 60_000, options)
  const stays = { running: 4, waiting: 4, others: 8, sentSince: 0 }
  assert.deepEqual(predicted, { ...stays, queueMs: Number.POSITIVE_INFINITY })
})

test('what others send is learned from entry to entry, and expected to go on', () => {
  const own = new OwnRequests()
  for (let second = 0; second <= 20; second += 1) {
    own.learn({ ...idle, running: 2, waiting: 0, saidAtMs: second * 1_000 }, options)
  }
  // Two at a time with two requests a second drained: two a second came.
  assert.ok(Math.abs(own.othersPerSecond - 2) < 0.1, String(own.othersPerSecond))
  const said = { ...idle, running: 2, saidAtMs: 20_000 }
  assert.ok(Math.abs(own.predict(said, 21_000, options).running - 2) < 0.1)
})

test('of more requests than are remembered, those that an entry contains are not others’', () => {
  const own = new OwnRequests()
  for (let i = 0; i < 2_000; i += 1) own.sent(i)
  for (let i = 0; i < 1_000; i += 1) own.ended(2_000 + i)
  const said = { ...idle, running: 900, waiting: 100, slots: 900, saidAtMs: 5_000 }
  assert.equal(own.predict(said, 5_000, options).others, 0)
  own.learn(said, options)
  assert.equal(own.predict(said, 5_100, options).others, 0)
})

test('what is remembered of own requests is bounded', () => {
  const own = new OwnRequests()
  for (let i = 0; i < 5_000; i += 1) own.sent(i)
  assert.equal(own.underWay, 5_000)
  assert.equal(own.predict({ ...idle, saidAtMs: 10_000 }, 10_000, options).running, 4)
})

interface Server {
  readonly slots: number
  /** When each running request ends. */
  readonly running: number[]
  readonly waiting: { readonly gateway: number; readonly atMs: number }[]
}

interface Herd {
  /** 99th percentile of the time in the queue. */
  readonly waitMs: number
  /** The longest queue that any node had. */
  readonly queueMost: number
}

type Choice = 'last-entry' | 'predicted'

/**
 * Forty nodes of four slots, two gateways, requests at three quarters of what the nodes can do.
 * Gateways hear of each node each two seconds, each at a time of its own.
 */
function route(choice: Choice, seed: number): Herd {
  const random = seededRandom(seed)
  const nodes: Server[] = Array.from({ length: 40 }, () => ({ slots: 4, running: [], waiting: [] }))
  const speaksAt = nodes.map(() => random.float() * 2_000)
  const heard = nodes.map(() => idle)
  const books = [0, 1].map(() => nodes.map(() => new OwnRequests()))
  const ends: { atMs: number; own: OwnRequests }[] = []
  const waits: number[] = []
  const serviceMs = 1_000
  let queueMost = 0
  let arriveAtMs = 0
  const say = (node: Server, nowMs: number): SaidLoad => ({
    running: node.running.length,
    waiting: node.waiting.length,
    slots: 4,
    tokensPerSecond: 400,
    saidAtMs: nowMs,
  })
  for (let nowMs = 0; nowMs < 120_000; nowMs += 5) {
    for (const [index, node] of nodes.entries()) {
      serve(node, nowMs, { serviceMs, random, waits })
      if (nowMs >= (speaksAt[index] ?? 0)) {
        speaksAt[index] = nowMs + 2_000
        heard[index] = say(node, nowMs)
        for (const book of books) book[index]?.learn(say(node, nowMs), options)
      }
    }
    for (let i = ends.length - 1; i >= 0; i -= 1) {
      if ((ends[i]?.atMs ?? 0) <= nowMs) ends.splice(i, 1)[0]?.own.ended(nowMs)
    }
    while (arriveAtMs <= nowMs) {
      arriveAtMs += (-Math.log(1 - random.float()) * serviceMs) / (40 * 4 * 0.75)
      const gateway = random.below(2)
      const best = pick(heard, books[gateway] ?? [], { choice, nowMs, random })
      const own = books[gateway]?.[best]
      const node = nodes[best]
      assert.ok(own !== undefined && node !== undefined)
      own.sent(nowMs)
      const queuedMs = ((node.waiting.length + node.running.length) / 4) * serviceMs
      const atMs = nowMs + Math.max(serviceMs, queuedMs)
      ends.push({ atMs, own })
      node.waiting.push({ gateway, atMs: nowMs })
      queueMost = Math.max(queueMost, node.waiting.length)
    }
  }
  waits.sort((a, b) => a - b)
  return { waitMs: waits[Math.floor(waits.length * 0.99)] ?? 0, queueMost }
}

function serve(
  node: Server,
  nowMs: number,
  { random, serviceMs, waits }: { random: Random; serviceMs: number; waits: number[] },
): void {
  for (let i = node.running.length - 1; i >= 0; i -= 1) {
    if ((node.running[i] ?? 0) <= nowMs) node.running.splice(i, 1)
  }
  while (node.running.length < node.slots && node.waiting.length > 0) {
    const next = node.waiting.shift()
    if (next !== undefined) waits.push(nowMs - next.atMs)
    node.running.push(nowMs + serviceMs * (0.5 + random.float()))
  }
}

function pick(
  heard: readonly SaidLoad[],
  own: readonly OwnRequests[],
  { choice, nowMs, random }: { choice: Choice; nowMs: number; random: Random },
): number {
  let best = 0
  let least = Number.POSITIVE_INFINITY
  const start = random.below(heard.length)
  for (let i = 0; i < heard.length; i += 1) {
    const index = (start + i) % heard.length
    const said = heard[index] ?? idle
    const load =
      choice === 'last-entry' ? said : (own[index]?.predict(said, nowMs, options) ?? said)
    const all = load.running + load.waiting
    if (all >= least) continue
    least = all
    best = index
  }
  return best
}

test('two gateways do not herd onto a node that looked idle two seconds ago', (t) => {
  for (const seed of [1, 2, 3]) {
    const naive = route('last-entry', seed)
    const predicted = route('predicted', seed)
    t.diagnostic(
      `seed ${seed}: 99th percentile of wait ${Math.round(naive.waitMs)} ms by the last entry, ` +
        `${Math.round(predicted.waitMs)} ms predicted; longest queue ${naive.queueMost}, ` +
        `${predicted.queueMost}`,
    )
    assert.ok(predicted.waitMs * 5 <= naive.waitMs, `seed ${seed}`)
    assert.ok(predicted.queueMost * 4 <= naive.queueMost, `seed ${seed}`)
  }
})
