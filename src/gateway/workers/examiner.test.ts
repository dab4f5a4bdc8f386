/** What a quarantined node has to do to be believed again, and what others do for it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { examinationRules } from '../../evidence/index.ts'
import { modelDigestOf } from '../../protocol/index.ts'
import { digest, hour, offerOf, Setting } from './examiner.fixture.ts'

test('a node that was mended attests, answers, serves, and is as others are', async () => {
  const at = new Setting()
  at.fault('result-content')
  await at.wait(hour - 10_000)
  assert.equal(at.suspect.attested, 0)
  await at.wait(20_000)
  assert.equal(at.incident.state, 'proving')
  const { evidence } = at.incident.steps[1]?.step ?? {}
  assert.match(String(evidence?.['statement']), /"softwareVersion":"1.0"/)
  // Questions alone, as long as it takes, however well it does.
  at.serve()
  await at.wait(examinationRules.proving.forMs - 60_000)
  assert.equal(at.incident.state, 'proving')
  await at.wait(hour)
  assert.equal(at.incident.state, 'probation')
  const asked = at.suspect.asked.length
  assert.ok(asked >= examinationRules.proving.answersMin && asked < 30, `${asked}`)
  await at.wait(4 * hour)
  assert.equal(at.incident.state, 'probation')
  for (let i = 0; i < examinationRules.probation.requestsMin; i += 1) at.serve()
  await at.wait(10_000)
  assert.equal(at.incident.state, 'closed')
  assert.deepEqual([at.count('attested'), at.count('differs'), at.inFlight], [1, 0, 0])
  // Nobody is asked any more.
  const before = at.suspect.asked.length
  await at.wait(3 * hour)
  assert.equal(at.suspect.asked.length, before)
})

test('questions are small, exact, and never twice the same', async () => {
  const at = new Setting()
  at.fault('result-content')
  await at.wait(2 * hour)
  const texts = at.suspect.asked.map(({ messages }) => JSON.stringify(messages))
  assert.equal(new Set(texts).size, texts.length)
  for (const { maxTokens, modelDigest, sampling } of at.suspect.asked) {
    assert.deepEqual([modelDigest, sampling.temperature], [digest, 0])
    assert.ok((maxTokens ?? 0) >= 8 && (maxTokens ?? 0) <= 16)
  }
  // Each of the others is asked some of them: whoever is an accomplice does not know which.
  for (const { asked } of at.others) assert.ok(asked.length > 0)
})

test('one with another model is found out, waits longer, and then for an operator', async () => {
  const at = new Setting()
  at.suspect.manner = 'wrong'
  at.fault('result-content')
  for (const waitHours of [1, 2, 4]) {
    const waited = await at.until('proving')
    assert.ok(Math.abs(waited - waitHours) < 0.05, `${waited} h`)
    assert.ok((await at.until('quarantined')) < 0.3)
    const { cause, evidence } = at.incident.steps.at(-1)?.step ?? {}
    assert.equal(cause, 'answers-differ')
    const { different } = evidence as { readonly different: readonly { others: string[] }[] }
    assert.equal(different.length, 3)
    for (const { others } of different) assert.ok(others.length >= 2)
  }
  assert.equal(at.incident.shutUntilMs, null)
  await at.wait(48 * hour)
  assert.equal(at.incident.steps.length, 7)
})

test('one that cheats again on probation goes back', async () => {
  const at = new Setting()
  at.fault('result-content')
  await at.wait(3 * hour)
  assert.equal(at.incident.state, 'probation')
  at.suspect.manner = 'wrong'
  await at.wait(2 * hour)
  assert.equal(at.incident.state, 'quarantined')
})

test('where nobody knows what is right, nothing is proven either way', async () => {
  const alone = new Setting(0)
  alone.fault('result-content')
  await alone.wait(4 * hour)
  assert.equal(alone.incident.state, 'proving')
  assert.deepEqual([alone.suspect.asked.length, alone.count('right')], [0, 0])
  // Newcomers, and those who have another model of this name, know nothing.
  const strange = new Setting(0)
  strange.add(0)
  const other = strange.add()
  const models = [{ ...offerOf(['chat']), digest: modelDigestOf('cd'.repeat(32)) }]
  other.record = { ...other.record, models }
  strange.fault('result-content')
  await strange.clock.advanceAsync(3 * hour)
  assert.equal(strange.suspect.asked.length, 0)
  // Neither does whoever has something against itself.
  const doubted = new Setting(1)
  for (const { id } of doubted.others) doubted.fault('contradiction', {}, id)
  doubted.fault('result-content')
  const byOperator = { decision: 'attest', reason: 'mended', appeal: null, by: 'key_1' } as const
  doubted.book.rule(doubted.incident.id, byOperator)
  await doubted.clock.advanceAsync(hour)
  assert.deepEqual([doubted.incident.state, doubted.suspect.asked.length], ['proving', 0])
  // One that contradicts is one word against another.
  const two = new Setting(1)
  two.suspect.manner = 'wrong'
  two.fault('result-content')
  await two.wait(4 * hour)
  assert.equal(two.incident.state, 'proving')
  assert.ok(two.count('unclear') > 10)
  // Three that contradict each other are none the wiser.
  const odd = new Setting(3)
  for (const node of [odd.suspect, ...odd.others]) node.manner = 'odd'
  odd.fault('result-content')
  await odd.wait(4 * hour)
  assert.equal(odd.incident.state, 'proving')
  assert.equal(odd.count('differs'), 0)
})

test('one of the others may be busy, or odd', async () => {
  const at = new Setting(4)
  const [busy, odd] = at.others
  assert.ok(busy !== undefined && odd !== undefined)
  busy.manner = 'silent'
  odd.manner = 'wrong'
  at.fault('result-content')
  await at.wait(3 * hour)
  assert.equal(at.incident.state, 'probation')
  assert.deepEqual([at.count('differs'), at.inFlight], [0, 0])
})

test('what its statement says has to be so, and stay so', async () => {
  const models = [{ name: 'm', digest: null, runtime: 'test', quantisation: 'float32' }]
  const selfCheck = { integerExact: true, atMs: 1_700_000_000_000 }
  for (const attests of [
    undefined,
    { softwareVersion: '1.1' },
    { models: [] },
    { models },
    { selfCheck },
    { selfCheck: { integerExact: false, atMs: 1_700_000_000_000 + hour } },
  ]) {
    const at = new Setting()
    at.suspect.attests = attests
    at.fault('result-content')
    await at.wait(2 * hour)
    assert.equal(at.incident.state, 'quarantined', JSON.stringify(attests))
    // Now and then, not each time that somebody looks.
    assert.ok(at.suspect.attested >= 5 && at.suspect.attested <= 7, `${at.suspect.attested}`)
    at.suspect.attests = {}
    await at.wait(hour / 4)
    assert.equal(at.incident.state, 'proving')
  }
  const other = new Setting()
  other.fault('result-content')
  await other.wait(3 * hour)
  assert.equal(other.incident.state, 'probation')
  other.suspect.record = { ...other.suspect.record, softwareVersion: '2.0' }
  await other.wait(hour / 2)
  assert.equal(other.incident.state, 'proving')
  assert.equal(other.suspect.attested, 2)
})

test('what it attested long ago it says again', async () => {
  const at = new Setting()
  at.fault('result-content')
  await at.wait(examinationRules.attestationLifeMs)
  assert.deepEqual([at.incident.state, at.suspect.attested], ['probation', 1])
  await at.wait(2 * hour)
  assert.ok(at.suspect.attested === 2)
})

test('an operator’s word is for now, and who is not there is waited for', async () => {
  const at = new Setting()
  at.suspect.connected = false
  at.fault('result-content')
  const ruling = { reason: 'its owner mended it', appeal: null, by: 'key_1' }
  at.book.rule(at.incident.id, { decision: 'attest', ...ruling })
  await at.wait(60_000)
  assert.equal(at.suspect.attested, 0)
  at.suspect.connected = true
  await at.wait(10_000)
  assert.equal(at.incident.state, 'proving')
})

test('vectors are compared as vectors', async () => {
  const at = new Setting()
  const models = [offerOf(['embedding'])]
  for (const node of [at.suspect, ...at.others]) node.record = { ...node.record, models }
  at.fault('result-content')
  await at.wait(2 * hour)
  assert.equal(at.incident.state, 'probation')
})

test('however many have something to prove, what others do for them is bounded', async () => {
  const at = new Setting(3)
  for (let i = 0; i < 80; i += 1) {
    const one = at.add()
    at.fault('result-content', {}, one.id)
  }
  await at.wait(hour + 10_000)
  const asked = () => at.others.slice(0, 3).reduce((sum, one) => sum + one.asked.length, 0)
  const before = asked()
  await at.wait(10 * 60_000)
  assert.ok(asked() - before <= 3 * 30 * 11, `${asked() - before}`)
  assert.ok(asked() > before)
})
