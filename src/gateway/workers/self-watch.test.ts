import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Clock } from '../../base/index.ts'
import { SelfWatch } from './self-watch.ts'

/** A machine whose timers run when the test says so, however late. */
function machine() {
  let [nowMs, wallMs] = [0, 1_000_000]
  let due: (() => void) | undefined
  const clock: Clock = {
    now: () => wallMs,
    monotonic: () => nowMs,
    after: (_, action) => {
      due = action
      return { cancel: () => {} }
    },
  }
  const watch = new SelfWatch(clock)
  watch.start()
  return {
    watch,
    pass(ms: number, wall = ms) {
      nowMs += ms
      wallMs += wall
    },
    run: () => due?.(),
    now: () => nowMs,
  }
}

test('a loop that runs in time is no trouble', () => {
  const { pass, run, watch } = machine()
  for (let i = 0; i < 20; i += 1) {
    pass(250 + (i % 3) * 100)
    run()
  }
  assert.equal(watch.wasTroubledSince(0), false)
})

test('a loop that was held up voids what ran meanwhile, and nothing that began later', () => {
  const { now, pass, run, watch } = machine()
  pass(2_000)
  const before = now() - 1_000
  // Asked before the look that is overdue.
  assert.equal(watch.wasTroubledSince(before), true)
  run()
  const after = now()
  pass(250)
  run()
  assert.equal(watch.wasTroubledSince(before), true)
  assert.equal(watch.wasTroubledSince(after), false)
  assert.equal(watch.troubles, 1)
})

test('a wall clock that is set forward or back is trouble', () => {
  for (const wall of [60_000, -60_000]) {
    const { pass, run, watch } = machine()
    pass(250, wall)
    run()
    assert.equal(watch.wasTroubledSince(0), true)
    pass(250)
    run()
    assert.equal(watch.troubles, 1)
  }
})
