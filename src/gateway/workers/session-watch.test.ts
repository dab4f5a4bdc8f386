import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ManualClock } from '../../base/index.ts'
import { EvidenceBook, type Sighting } from '../../evidence/index.ts'
import { nodeIdOf, type WorkerId } from '../../protocol/index.ts'
import { SessionWatch } from './session-watch.ts'

const idOf = (number: number): WorkerId => nodeIdOf(new Uint8Array(32).fill(number))

function newWatch(isTroubled = false) {
  const clock = new ManualClock()
  const evidence = new EvidenceBook({ clock })
  const kept: Sighting[] = []
  const together: number[] = []
  const watch = new SessionWatch({
    clock,
    evidence,
    sightings: { append: (one) => void kept.push(one) },
    selfWatch: { wasTroubledSince: () => isTroubled },
    onLostTogether: (workers) => void together.push(workers.length),
  })
  watch.start()
  const hazard = (number: number) => evidence.evidence(idOf(number), 'm').hazard
  const restored = (number: number) => {
    const book = new EvidenceBook({ clock })
    book.restore([], kept)
    return book.evidence(idOf(number), 'm').hazard
  }
  return { clock, kept, hazard, restored, together, watch }
}

test('time that a worker is there counts for it, while it is there', () => {
  const { clock, hazard, watch } = newWatch()
  const before = hazard(1).upper
  watch.began(idOf(1))
  clock.advance(3_600_000)
  assert.ok(hazard(1).upper < before / 5)
  assert.ok(Math.abs(hazard(1).seenMs / 3_600_000 - 1) < 0.02)
})

test('who goes without a word goes sooner; who says so does not', () => {
  const { clock, hazard, watch } = newWatch()
  for (const number of [1, 2, 3, 4, 5]) watch.began(idOf(number))
  clock.advance(3_600_000)
  watch.ended(idOf(1), 'lost')
  watch.ended(idOf(2), 'left')
  clock.advance(10_000)
  assert.ok(hazard(1).ends > 0.99)
  assert.equal(hazard(2).ends, 0)
})

test('most of all within two seconds: it is this gateway, and nobody else', () => {
  const { clock, hazard, together, watch } = newWatch()
  for (const number of [1, 2, 3, 4, 5]) watch.began(idOf(number))
  clock.advance(60_000)
  for (const number of [1, 2, 3]) {
    watch.ended(idOf(number), 'lost')
    clock.advance(500)
    watch.began(idOf(number))
  }
  clock.advance(10_000)
  for (const number of [1, 2, 3]) assert.equal(hazard(number).ends, 0)
  assert.deepEqual(together, [3])
  watch.ended(idOf(1), 'lost')
  clock.advance(10_000)
  assert.ok(hazard(1).ends > 0.99)
})

test('what is lost while this gateway is in trouble is nobody’s loss', () => {
  const { clock, hazard, watch } = newWatch(true)
  watch.began(idOf(1))
  watch.ended(idOf(1), 'lost')
  clock.advance(10_000)
  assert.equal(hazard(1).ends, 0)
})

test('what was kept comes to the same after a restart, and a stop is no loss', () => {
  const { clock, hazard, kept, restored, watch } = newWatch()
  for (const number of [1, 2]) watch.began(idOf(number))
  clock.advance(7_000_000)
  watch.ended(idOf(1), 'lost')
  clock.advance(1_000_000)
  watch.stop()
  assert.ok(kept.length < 25)
  for (const number of [1, 2]) {
    const [now, after] = [hazard(number), restored(number)]
    assert.ok(Math.abs(now.seenMs - after.seenMs) < 1)
    assert.ok(Math.abs(now.ends - after.ends) < 1e-9)
  }
  assert.equal(restored(2).ends, 0)
  assert.ok(restored(1).ends > 0.9)
})
