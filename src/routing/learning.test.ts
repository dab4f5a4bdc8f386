/**
 * Decisions and evidence together, over many requests: who wins, who stops winning, who gets a
 * chance.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ManualClock, seededRandom } from '../base/index.ts'
import { EvidenceBook } from '../evidence/index.ts'
import type { WorkerId } from '../protocol/index.ts'
import { decide } from './decide.ts'
import { sampleCandidate, sampleInput, sampleWorker } from './samples.fixture.ts'

interface Behaviour {
  readonly fails: (random: () => number) => boolean
  readonly ttftMs: number
}

const sound: Behaviour = { fails: () => false, ttftMs: 200 }
const blackHole: Behaviour = { fails: () => true, ttftMs: 1 }

/** A gateway with workers that answer one request after the other, one per second. */
function network(behaviours: readonly Behaviour[], seed = 1) {
  const clock = new ManualClock()
  const book = new EvidenceBook({ clock })
  const random = seededRandom(seed)
  const observe = (number: number) => {
    const behaviour = behaviours[number] ?? sound
    const failed = behaviour.fails(() => random.float())
    book.observe({
      atMs: clock.now(),
      worker: sampleWorker(number),
      model: 'sample-model',
      decision: sampleInput().decisionId,
      attempt: 0,
      outcome: failed
        ? { kind: 'failed', code: 'node_failed', phase: 'before-first-token' }
        : { kind: 'completed' },
      blame: failed ? 'node' : 'nobody',
      ttftMs: failed ? null : behaviour.ttftMs,
      tpotMs: failed ? null : 20,
      promptTokens: 100,
      completionTokens: 64,
      inFlight: 0,
    })
  }
  const request = (): number => {
    clock.advance(1_000)
    const candidates = behaviours.map((_, number) =>
      sampleCandidate(number, { evidence: book.evidence(sampleWorker(number), 'sample-model') }),
    )
    const { chosen } = decide(sampleInput({ candidates, random }))
    const number = behaviours.findIndex((_, i) => sampleWorker(i) === (chosen as WorkerId))
    observe(number)
    return number
  }
  const requests = (count: number): number[] => {
    const counts = behaviours.map(() => 0)
    for (let i = 0; i < count; i += 1) {
      const number = request()
      counts[number] = (counts[number] ?? 0) + 1
    }
    return counts
  }
  return { clock, requests, observe, book }
}

test('a worker that only fails, and at once, stops winning', () => {
  for (let seed = 1; seed <= 5; seed += 1) {
    const { requests } = network([sound, blackHole], seed)
    const [, early = 0] = requests(60)
    assert.ok(early <= 12, `${early} of the first 60`)
    const [, late = 0] = requests(1_000)
    assert.ok(late <= 10, `${late} of the next 1000`)
  }
})

test('a sound worker that begins to fail stops winning, and wins again when it is mended', () => {
  let broken = false
  const mending: Behaviour = { fails: () => broken, ttftMs: 200 }
  const { requests, clock } = network([sound, sound, mending])
  requests(600)
  assert.ok((requests(300)[2] ?? 0) > 60)
  broken = true
  requests(300)
  assert.ok((requests(1_000)[2] ?? 0) <= 15)
  broken = false
  clock.advance(6 * 60 * 60_000)
  requests(600)
  assert.ok((requests(600)[2] ?? 0) > 100)
})

test('workers that are all new share the work from the start', () => {
  const { requests } = network([sound, sound, sound, sound, sound])
  const counts = requests(200)
  for (const count of counts) assert.ok(count >= 15, `${counts}`)
})

test('a good newcomer among proven workers has its fair share within 200 of its requests', () => {
  for (let seed = 1; seed <= 3; seed += 1) {
    const { requests, observe, book } = network([sound, sound, sound, sound], seed)
    for (const proven of [0, 1, 2]) for (let i = 0; i < 300; i += 1) observe(proven)
    let own = 0
    while (own < 200) {
      const [, , , more = 0] = requests(50)
      own += more
      const { samples } = book.evidence(sampleWorker(3), 'sample-model').completion
      if (samples >= 110) break
    }
    const [, , , share = 0] = requests(400)
    assert.ok(share >= 60, `${share} of 400 after ${own} of its own (seed ${seed})`)
  }
})

test('newcomers never get more than their share of exploration from proven workers', () => {
  const newcomers = Array.from({ length: 20 }, () => blackHole)
  const { requests, observe } = network([sound, ...newcomers])
  for (let i = 0; i < 400; i += 1) observe(0)
  const [proven = 0] = requests(2_000)
  assert.ok(proven >= 2_000 * 0.96, `${proven} of 2000`)
})

test('a slow worker that states a fast one’s speed is found out', () => {
  const slow: Behaviour = { fails: () => false, ttftMs: 5_000 }
  const { requests } = network([sound, sound, slow])
  requests(100)
  const [, , share = 0] = requests(1_000)
  assert.ok(share <= 30, `${share} of 1000`)
})
