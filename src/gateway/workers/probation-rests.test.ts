/** However it is asked for, who is on probation gets one request at a time, with a rest between. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { examinationRules, type Standing } from '../../evidence/index.ts'
import { ProbationRests } from './probation-rests.ts'

const { restMs } = examinationRules
const awake: Standing = {
  state: 'probation',
  incident: `inc_${'a'.repeat(26)}`,
  words: 'on probation',
  takes: true,
}
const { incident } = awake
const quarantined: Standing = { state: 'quarantined', incident, words: 'quarantined' }

test('it rests from the beginning of a request until a while is over and the request too', () => {
  const rests = new ProbationRests<{ standing: Standing | undefined; inFlight: number }>()
  const entry = { standing: undefined as Standing | undefined, inFlight: 0 }
  rests.stand(entry, awake)
  rests.began(entry, 0)
  entry.inFlight = 1
  assert.equal(entry.standing?.takes, undefined)
  assert.match(entry.standing?.words ?? '', /on probation: one request at a time, and one in 10 s/)
  assert.deepEqual(rests.wake(restMs), [])
  entry.inFlight = 0
  assert.deepEqual(rests.wake(restMs - 1), [])
  assert.deepEqual(rests.wake(restMs), [entry])
  assert.equal(entry.standing, awake)
  // Others are asked as before.
  const other = { standing: undefined, inFlight: 0 }
  rests.began(other, 0)
  assert.equal(rests.size, 0)
})

test('neither its standing, said again, nor a new connection cuts a rest short', () => {
  const rests = new ProbationRests<{ standing: Standing | undefined; inFlight: number }>()
  const entry = { standing: undefined as Standing | undefined, inFlight: 0 }
  rests.stand(entry, awake)
  rests.began(entry, 0)
  rests.stand(entry, { ...awake, words: 'on probation still' })
  assert.equal(entry.standing?.takes, undefined)
  const anew = { standing: entry.standing, inFlight: 0 }
  rests.move(entry, anew)
  assert.deepEqual(rests.wake(restMs), [anew])
  assert.equal(anew.standing?.words, 'on probation still')
  rests.began(anew, restMs)
  rests.stand(anew, quarantined)
  assert.deepEqual([anew.standing, rests.size], [quarantined, 0])
  rests.began(anew, restMs)
  rests.forget(anew)
  assert.equal(anew.standing, quarantined)
})

test('whatever happens, two requests begin a rest apart, and never beside each other', () => {
  const step = fc.constantFrom('ask', 'end', 'wait', 'stand', 'connect')
  fc.assert(
    fc.property(fc.array(step, { maxLength: 100 }), (steps) => {
      const rests = new ProbationRests<{ standing: Standing | undefined; inFlight: number }>()
      let entry = { standing: undefined as Standing | undefined, inFlight: 0 }
      rests.stand(entry, awake)
      let [now, beganMs] = [0, Number.NEGATIVE_INFINITY]
      for (const what of steps) {
        rests.wake(now)
        if (what === 'wait') now += 4_000
        else if (what === 'end') entry.inFlight = 0
        else if (what === 'stand') rests.stand(entry, { ...awake })
        else if (what === 'connect') {
          const anew = { ...entry }
          rests.move(entry, anew)
          entry = anew
        } else if (entry.standing?.takes === true) {
          assert.ok(now - beganMs >= restMs && entry.inFlight === 0)
          rests.began(entry, now)
          entry.inFlight = 1
          beganMs = now
        }
      }
    }),
  )
})
