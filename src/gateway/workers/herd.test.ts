/** Two gateways, nodes that say their load each two seconds: nobody is overrun for looking idle. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ManualClock, type Random, seededRandom } from '../../base/index.ts'
import type { Candidate } from '../../routing/index.ts'
import { decide } from '../../routing/index.ts'
import { sampleInput } from '../../routing/samples.fixture.ts'
import { model, policy, SightedGateway } from './foresight.fixture.ts'
import type { RemoteWorker } from './remote-worker.ts'

const nodeCount = 24
const slots = 4
const serviceMs = 1_000
const tokensPerAnswer = 256
const saysEveryMs = 2_000
const loadShare = 0.75
const stepMs = 10
const lastsMs = 60_000

interface Job {
  readonly gateway: SightedGateway
  readonly atMs: number
  endsAtMs: number
}

interface Node {
  readonly workers: readonly RemoteWorker[]
  readonly running: Job[]
  readonly waiting: Job[]
  saysAtMs: number
}

/** As routing would be by the last entry alone. */
function byLastEntry(candidate: Candidate): Candidate {
  const { running, waiting } = candidate.load
  return { ...candidate, inFlight: 0, others: running + waiting }
}

function run(seed: number, isForeseen: boolean): { waitMs: number; queueMost: number } {
  const clock = new ManualClock()
  const random = seededRandom(seed)
  const gateways = [1, 2].map((n) => new SightedGateway(clock, { seed: seed * 10 + n }))
  const speed = { slots, decodeTokensPerSecond: (tokensPerAnswer * slots * 1_000) / serviceMs }
  const nodes = Array.from({ length: nodeCount }, (): Node => {
    const workers = gateways.map((gateway) => gateway.join(speed))
    return { workers, running: [], waiting: [], saysAtMs: random.float() * saysEveryMs }
  })
  const byId = new Map(nodes.map((node) => [node.workers[0]?.id, node]))
  const waits: number[] = []
  let queueMost = 0
  let arrivesAtMs = 0
  for (let nowMs = 0; nowMs < lastsMs; nowMs += stepMs) {
    clock.advance(stepMs)
    for (const node of nodes) serve(node, nowMs, { random, waits })
    for (const node of nodes) say(node, nowMs, gateways)
    while (arrivesAtMs <= nowMs) {
      arrivesAtMs += (-Math.log(1 - random.float()) * serviceMs) / (nodeCount * slots * loadShare)
      const gateway = gateways[random.below(gateways.length)]
      assert.ok(gateway)
      const known = gateway.registry.candidates(model, policy)
      const candidates = isForeseen ? known : known.map(byLastEntry)
      const { chosen } = decide(sampleInput({ candidates, policy, random: gateway.random }))
      const node = byId.get(chosen as RemoteWorker['id'])
      if (chosen === null || node === undefined) continue // all are busy
      gateway.registry.begin(chosen)
      node.waiting.push({ gateway, atMs: nowMs, endsAtMs: 0 })
      queueMost = Math.max(queueMost, node.waiting.length)
    }
  }
  waits.sort((a, b) => a - b)
  return { waitMs: waits[Math.floor(waits.length * 0.99)] ?? 0, queueMost }
}

function say(node: Node, nowMs: number, gateways: readonly SightedGateway[]): void {
  if (nowMs < node.saysAtMs) return
  node.saysAtMs = nowMs + saysEveryMs
  const load = { running: node.running.length, waiting: node.waiting.length }
  for (const [i, gateway] of gateways.entries()) {
    const worker = node.workers[i]
    if (worker !== undefined) gateway.report(worker, load)
  }
}

function serve(
  node: Node,
  nowMs: number,
  { random, waits }: { readonly random: Random; readonly waits: number[] },
): void {
  const id = node.workers[0]?.id
  assert.ok(id)
  for (let i = node.running.length - 1; i >= 0; i -= 1) {
    const job = node.running[i]
    if (job === undefined || job.endsAtMs > nowMs) continue
    node.running.splice(i, 1)
    job.gateway.registry.end(id, tokensPerAnswer)
  }
  while (node.running.length < slots) {
    const job = node.waiting.shift()
    if (job === undefined) break
    waits.push(nowMs - job.atMs)
    job.endsAtMs = nowMs + serviceMs * (0.5 + random.float())
    node.running.push(job)
  }
}

test('two gateways spread what they send while they hear of loads each two seconds', (t) => {
  for (const seed of [1, 2]) {
    const naive = run(seed, false)
    const foreseen = run(seed, true)
    t.diagnostic(
      `seed ${seed}: 99th percentile of wait ${Math.round(naive.waitMs)} ms by the last entry, ` +
        `${Math.round(foreseen.waitMs)} ms foreseen; longest queue ${naive.queueMost}, ` +
        `${foreseen.queueMost}`,
    )
    assert.ok(foreseen.waitMs * 3 <= naive.waitMs, `seed ${seed}`)
    assert.ok(foreseen.queueMost * 3 <= naive.queueMost, `seed ${seed}`)
  }
})
