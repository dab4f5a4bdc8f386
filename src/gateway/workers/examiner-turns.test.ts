/** Whom the examiner asks when, and with which model, whatever nodes make of it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sleep } from '../../base/index.ts'
import { examinationRules } from '../../evidence/index.ts'
import { envelopeToJson, modelDigestOf } from '../../protocol/index.ts'
import { hour, offerOf, Setting } from './examiner.fixture.ts'

test('it proves itself with the model that it is about, and not with an easier one', async () => {
  const at = new Setting()
  const asked = await at.suspect.attest([])
  const { envelope, ...signed } = asked.asked
  const hard = modelDigestOf('ef'.repeat(32))
  at.fault('result-model', {
    asked: envelopeToJson({ envelope: { ...envelope, modelDigest: hard }, ...signed }),
  })
  await at.wait(3 * hour)
  assert.deepEqual([at.incident.state, at.suspect.attested], ['quarantined', 1])
  assert.ok(at.count('not-attested') > 10, 'it is looked at now and then')
  const models = [...at.suspect.record.models, { ...offerOf(['chat']), name: 'hard', digest: hard }]
  at.suspect.record = { ...at.suspect.record, models }
  await at.wait(hour / 4)
  assert.equal(at.incident.state, 'proving')
})

test('whose record changes all the time attests once in a while', async () => {
  const at = new Setting()
  at.fault('result-content')
  await at.wait(hour)
  for (let i = 0; i < 360; i += 1) {
    at.suspect.record = { ...at.suspect.record, softwareVersion: `1.${i}` }
    await at.wait(10_000)
  }
  assert.ok(at.suspect.attested <= 7, `${at.suspect.attested} in an hour`)
})

test('nodes that take all the time there is hold up nobody else', async () => {
  const at = new Setting(3)
  const crowd = Array.from({ length: 24 }, () => at.add(0))
  for (const node of crowd) {
    node.generate = async function* () {
      await sleep(at.clock, 30_000)
      yield Promise.reject(new Error('too late'))
    }
    at.fault('result-content', {}, node.id)
  }
  at.fault('result-content')
  await at.wait(2 * hour)
  const own = at.book.incidents().find(({ subject }) => {
    return subject.kind === 'worker' && subject.worker === at.suspect.id
  })
  assert.equal(own?.state, 'probation')
})

test('a request that failed, or whose connection broke, begins the row anew', async () => {
  for (const blame of ['node', 'network', 'client'] as const) {
    const at = new Setting()
    at.fault('result-content')
    await at.wait(5 * hour)
    assert.equal(at.incident.state, 'probation')
    const { requestsMin } = examinationRules.probation
    for (let i = 1; i < requestsMin; i += 1) at.serve()
    at.serve(false, blame)
    at.serve()
    await at.wait(10_000)
    assert.equal(at.incident.state, blame === 'client' ? 'closed' : 'probation', blame)
  }
})
