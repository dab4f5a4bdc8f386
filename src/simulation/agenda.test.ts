import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { seededRandom } from '../base/index.ts'
import { Agenda, type Entry } from './agenda.ts'

type Noted = Entry & { readonly what: number }

describe('the agenda', () => {
  it('gives entries by time, then by whom they concern, then by who caused them', () => {
    const random = seededRandom(5)
    const entries: Noted[] = Array.from({ length: 5_000 }, (_, what) => ({
      atMs: random.below(50),
      target: random.below(6) - 1,
      source: random.below(4) - 1,
      order: what,
      what,
    }))
    const agenda = new Agenda<Noted>()
    for (const entry of shuffled(entries)) agenda.add(entry)
    const taken = drain(agenda)
    assert.deepEqual(taken, [...entries].sort(byRule))
  })

  it('keeps the order while entries come and go', () => {
    const random = seededRandom(6)
    const agenda = new Agenda<Noted>()
    let nowMs = 0
    for (let order = 0; order < 20_000; order += 1) {
      agenda.add({ atMs: nowMs + random.float() * 100, target: 0, source: 0, order, what: order })
      if (random.below(3) === 0) continue
      const { atMs } = agenda.take()
      assert.ok(atMs >= nowMs)
      nowMs = atMs
    }
    const left = drain(agenda)
    assert.deepEqual(left, [...left].sort(byRule))
    assert.equal(agenda.nextAtMs, Number.POSITIVE_INFINITY)
  })
})

function byRule(a: Noted, b: Noted): number {
  return a.atMs - b.atMs || a.target - b.target || a.source - b.source || a.order - b.order
}

function shuffled<T>(items: readonly T[]): T[] {
  const random = seededRandom(7)
  const keyed = items.map((item) => [random.float(), item] as const)
  return keyed.sort(([a], [b]) => a - b).map(([, item]) => item)
}

function drain(agenda: Agenda<Noted>): Noted[] {
  const taken: Noted[] = []
  while (agenda.length > 0) taken.push(agenda.take())
  return taken
}
