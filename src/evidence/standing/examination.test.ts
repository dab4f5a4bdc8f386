/** What has to be shown, in a row, and what an accident costs. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createIdentity } from '../../protocol/index.ts'
import { Examination, examinationRules, type Stage } from './examination.ts'

const { id: other } = createIdentity()

function examination(stage: Stage) {
  let nowMs = 1_000
  const at = new Examination(stage, nowMs)
  const { answersMin, everyMs, forMs, requestsMin } = examinationRules[stage]
  const answer = (outcome: 'right' | 'differs' | 'unclear') => {
    nowMs += everyMs
    at.answered(outcome, { atMs: nowMs, model: 'm', hash: 'h', others: [other] })
  }
  const progress = () => at.progress(nowMs)
  const times = (count: number, action: () => void) => {
    for (let i = 0; i < count; i += 1) action()
  }
  const serve = (isRight = true) => at.served(isRight, nowMs)
  const wait = () => {
    nowMs += forMs
  }
  return { answer, answersMin, at, progress, requestsMin, serve, times, wait }
}

test('questions alone are proof enough to begin with: so many, for so long', () => {
  const { answer, answersMin, at, progress, times } = examination('proving')
  times(answersMin - 1, () => answer('right'))
  assert.equal(progress(), 'going-on')
  answer('right')
  assert.equal(progress(), 'passed')
  const { different, right } = at.evidence() as { different: object[]; right: object[] }
  assert.equal(right.length, answersMin)
  assert.deepEqual(right[0], { atMs: 151_000, model: 'm', hash: 'h', others: [other] })
  assert.deepEqual(different, [])
  const quick = new Examination('proving', 0)
  for (let i = 0; i < 100; i += 1) {
    quick.answered('right', { atMs: 1, model: 'm', hash: 'h', others: [] })
  }
  assert.equal(quick.progress(1), 'going-on')
})

test('what nobody can judge counts neither way', () => {
  const { answer, answersMin, progress, times } = examination('proving')
  times(50, () => answer('unclear'))
  assert.equal(progress(), 'going-on')
  times(answersMin, () => answer('right'))
  assert.equal(progress(), 'passed')
})

test('an answer that differs begins the row anew; the third is another model', () => {
  const { answer, answersMin, progress, times } = examination('proving')
  for (let i = 0; i < examinationRules.differsMax; i += 1) {
    times(answersMin - 1, () => answer('right'))
    answer('differs')
    answer('right')
    assert.equal(progress(), 'going-on')
  }
  answer('differs')
  assert.equal(progress(), 'failed')
})

test('on probation clients’ requests count too, and a failed one begins anew', () => {
  const { answer, answersMin, progress, requestsMin, serve, times, wait } = examination('probation')
  times(answersMin, () => answer('right'))
  wait()
  times(requestsMin - 1, () => serve())
  assert.equal(progress(), 'going-on')
  serve(false)
  times(requestsMin, () => serve())
  wait()
  assert.equal(progress(), 'going-on')
  times(answersMin, () => answer('right'))
  assert.equal(progress(), 'passed')
})
