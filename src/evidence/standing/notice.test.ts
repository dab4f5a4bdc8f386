import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { createIdentity, messageLimits } from '../../protocol/index.ts'
import type { SignedStep } from './incident.ts'
import { readNotice, tellable } from './notice.ts'
import { evidenceOf, exchange, TellingGateway } from './notices.fixture.ts'
import { signStep } from './steps.ts'

const nowMs = 1_700_000_000_000
const node = createIdentity()

function told() {
  const gateway = new TellingGateway(() => nowMs)
  const evidence = evidenceOf(exchange({ gateway: gateway.identity, node }))
  const opened = gateway.accuse(node, 'result-content', evidence)
  return { gateway, opened }
}

test('a quarantine and its end are told as they were signed', () => {
  const { gateway, opened } = told()
  const { id } = gateway.identity
  const notice = readNotice(opened, id)
  assert.ok(typeof notice === 'object' && notice.kind === 'quarantined')
  assert.deepEqual([notice.worker, notice.cause, notice.gateway], [node.id, 'result-content', id])
  const incidentOf = () => {
    const [incident] = gateway.book.incidents()
    assert.ok(incident !== undefined)
    return tellable(incident)
  }
  assert.equal(incidentOf(), opened)
  const lifted = gateway.lift(node)
  assert.equal(incidentOf(), lifted)
  const ended = readNotice(lifted, id)
  assert.ok(typeof ended === 'object' && ended.kind === 'ended')
  assert.deepEqual([ended.incident, ended.by], [notice.incident, 'operator'])
})

test('that a node has worked its quarantine off is told as that', () => {
  const { gateway, opened } = told()
  const [incident] = gateway.book.incidents()
  assert.ok(incident !== undefined)
  const ruling = { decision: 'attest', reason: 'mended', appeal: null, by: 'key_1' } as const
  gateway.book.rule(incident.id, ruling)
  gateway.book.attested(incident.id, {})
  gateway.book.proved(incident.id, {})
  for (const { json } of gateway.steps.slice(1)) {
    assert.equal(readNotice({ ...opened, json }, gateway.identity.id), 'forged')
  }
  for (const step of gateway.steps.slice(1)) {
    assert.equal(readNotice(step, gateway.identity.id), 'malformed')
  }
  gateway.book.proved(incident.id, {})
  const last = gateway.steps.at(-1)
  const ended = last === undefined ? undefined : readNotice(last, gateway.identity.id)
  assert.ok(typeof ended === 'object' && ended.kind === 'ended')
  assert.equal(ended.by, 'work')
})

test('what is not severe, and what stands against no node, is nobody else’s business', () => {
  const gateway = new TellingGateway(() => nowMs)
  const shut = gateway.accuse(node, 'contradiction', {})
  assert.equal(readNotice(shut, gateway.identity.id), 'malformed')
  gateway.book.lostTogether([node.id], gateway.identity.id, 1)
  for (const incident of gateway.book.incidents()) assert.equal(tellable(incident), undefined)
})

test('it is its gateway’s word, brought by that gateway', () => {
  const { gateway, opened } = told()
  const other = createIdentity()
  assert.equal(readNotice(opened, other.id), 'forged')
  const { id } = gateway.identity
  const changed = { ...opened, json: opened.json.replace(node.id, other.id) }
  assert.equal(readNotice(changed, id), 'forged')
  assert.equal(readNotice({ ...opened, signature: '' }, id), 'forged')
  const long = { ...opened, json: opened.json.padEnd(messageLimits.noticeBytesMax + 1) }
  assert.equal(readNotice(long, id), 'oversized')
  const step = { ...JSON.parse(opened.json), gateway: other.id }
  assert.equal(readNotice(signStep(gateway.identity, step), id), 'forged')
})

test('whatever a gateway signs, reading it throws nothing and takes nothing in halves', () => {
  const { gateway, opened } = told()
  const whole = JSON.parse(opened.json)
  const hostile: SignedStep[] = []
  const { id } = gateway.identity
  fc.assert(
    fc.property(fc.constantFrom(...Object.keys(whole)), fc.jsonValue(), (field, value) => {
      const signed = signStep(gateway.identity, { ...whole, [field]: value })
      hostile.push(signed)
      const notice = readNotice(signed, id)
      if (typeof notice === 'string' || notice.kind === 'ended') return
      assert.equal(notice.worker, node.id)
      assert.equal(typeof notice.evidence, 'object')
    }),
  )
  for (const json of ['', 'null', '[]', '{', '"x"']) {
    const signature = signStep(gateway.identity, whole).signature
    assert.equal(readNotice({ json, signature }, id), 'forged')
  }
  let deep: object = {}
  for (let i = 0; i < 1_000; i += 1) deep = { deep }
  const nested = signStep(gateway.identity, { ...whole, evidence: deep })
  assert.equal(readNotice(nested, id), 'malformed')
})
