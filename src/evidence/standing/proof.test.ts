/** What a stranger takes for proof: never anything that an honest node has signed. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  createIdentity,
  envelopeToJson,
  type JsonObject,
  sealClusterDigest,
  sealLoadAnchor,
  signEnvelope,
} from '../../protocol/index.ts'
import { clusterDigest, loadAnchor } from '../../protocol/load.fixture.ts'
import { evidenceOf, exchange, network, otherModel, receiptOf } from './notices.fixture.ts'
import { billEvidence, digestEvidence, proofOf } from './proof.ts'

const judge = { network, bills: { overbilledShareMax: 0.05, overbilledTokensMax: 32 } }
const gateway = createIdentity()
const node = createIdentity()
const other = createIdentity()
const wrong = exchange({ gateway, node, answered: otherModel })

test('a node that signs another model than the one it answers for has proven it itself', () => {
  const proof = proofOf(node.id, evidenceOf(wrong), judge)
  assert.equal(proof?.cause, 'result-model')
  assert.equal(proof.atMs, wrong.result.envelope.issuedAtMs)
  // What the teller added is not handed on.
  assert.deepEqual(Object.keys(proof.evidence).sort(), ['asked', 'outputHash', 'result'])
  const none = exchange({ gateway, node, answered: null })
  assert.ok(proofOf(node.id, evidenceOf(none), judge) !== undefined)
})

test('it is proven of that node, in that network, and of nobody else', () => {
  assert.equal(proofOf(other.id, evidenceOf(wrong), judge), undefined)
  assert.equal(proofOf(node.id, evidenceOf(wrong), { ...judge, network: 'another' }), undefined)
})

test('a request that named no model is answered by whatever the node has', () => {
  const free = exchange({ gateway, node, asked: null, answered: otherModel })
  assert.equal(proofOf(node.id, evidenceOf(free), judge), undefined)
})

test('a gateway that signs the same request for another model afterwards proves nothing', () => {
  const honest = exchange({ gateway, node })
  const forged = { ...honest, asked: exchange({ gateway, node, asked: otherModel }).asked }
  const sameBody = {
    ...honest.asked,
    envelope: { ...honest.asked.envelope, modelDigest: otherModel },
  }
  for (const shown of [forged, { ...honest, asked: sameBody }]) {
    assert.equal(proofOf(node.id, evidenceOf(shown), judge), undefined)
  }
})

test('no mixture of what honest nodes have signed is a proof', () => {
  const honest = Array.from({ length: 4 }, (_, i) =>
    exchange({ gateway, node: i < 3 ? node : other, asked: i === 1 ? otherModel : undefined }),
  )
  const one = fc.constantFrom(...honest)
  const fields = ['bodyHash', 'nonce', 'modelDigest', 'sender', 'recipient', 'signature'] as const
  const changes = fc.array(
    fc.record({
      part: fc.constantFrom('asked' as const, 'result' as const),
      field: fc.constantFrom(...fields, 'domain', 'network', 'issuedAtMs'),
      from: fc.record({
        exchange: one,
        part: fc.constantFrom('asked' as const, 'result' as const),
      }),
    }),
    { maxLength: 3 },
  )
  fc.assert(
    fc.property(one, one, one, changes, (a, b, c, changed) => {
      const parts: Record<'asked' | 'result', JsonObject> = {
        asked: envelopeToJson(a.asked),
        result: envelopeToJson(b.result),
      }
      for (const { field, from, part } of changed) {
        const source = envelopeToJson(from.exchange[from.part])
        parts[part] = { ...parts[part], [field]: source[field] ?? null }
      }
      const outputHash = Buffer.from(c.output).toString('base64')
      for (const { id } of [node, other, gateway]) {
        assert.equal(proofOf(id, { ...parts, outputHash }, judge), undefined)
      }
    }),
    { numRuns: 300 },
  )
})

test('whatever evidence is, looking at it throws nothing', () => {
  const whole = evidenceOf(wrong)
  fc.assert(
    fc.property(fc.constantFrom(...Object.keys(whole)), fc.jsonValue(), (field, value) => {
      const proof = proofOf(node.id, { ...whole, [field]: value as JsonObject }, judge)
      assert.equal(proof !== undefined, field === 'found')
    }),
  )
  assert.equal(proofOf(node.id, {}, judge), undefined)
})

/** 40 tokens came by their ids, of a chat of 120 bytes. */
const falseReceipt = receiptOf({ completionTokens: 900 })
const falseBill = exchange({ gateway, node, receipt: falseReceipt })
const shownBill = { ...evidenceOf(falseBill), ...billEvidence(falseReceipt) }

test('a bill for far more than was delivered is proven by its own signature', () => {
  const proof = proofOf(node.id, shownBill, judge)
  assert.equal(proof?.cause, 'settlement-mismatch')
  assert.equal(proof.atMs, falseBill.result.envelope.issuedAtMs)
  assert.match(String(proof.evidence['found']), /billed 7 prompt and 900 completion tokens/)
  assert.deepEqual(proofOf(node.id, proof.evidence, judge), proof)
  assert.equal(proofOf(other.id, shownBill, judge), undefined)
  assert.equal(proofOf(node.id, shownBill, { ...judge, network: 'another' }), undefined)
  // Whoever looks judges by his own policy.
  const lax = { overbilledShareMax: 0.05, overbilledTokensMax: 1_000 }
  assert.equal(proofOf(node.id, shownBill, { ...judge, bills: lax }), undefined)
})

test('a bill that somebody else has signed in its place proves nothing', () => {
  const { envelope } = falseBill.result
  const { signature } = signEnvelope(gateway, envelope)
  const result = envelopeToJson({ envelope, signature, inclusion: null })
  assert.equal(proofOf(node.id, { ...shownBill, result }, judge), undefined)
})

test('nothing that the teller writes between what is signed is kept', () => {
  const note = { note: 'the operator says: lift it' }
  const noted = (part: string): JsonObject => ({
    ...((shownBill as JsonObject)[part] as JsonObject),
    ...note,
  })
  const asked = { ...noted('asked'), inclusion: null }
  const told = {
    ...shownBill,
    ...note,
    asked,
    result: noted('result'),
    work: noted('work'),
    bill: noted('bill'),
  }
  const proof = proofOf(node.id, told, judge)
  assert.deepEqual(proof, proofOf(node.id, shownBill, judge))
  assert.ok(proof !== undefined && !JSON.stringify(proof).includes('the operator says'))
  const ofModel = { ...evidenceOf(wrong), asked: { ...envelopeToJson(wrong.asked), ...note } }
  assert.deepEqual(proofOf(node.id, ofModel, judge), proofOf(node.id, evidenceOf(wrong), judge))
})

test('only a result is one: the same, signed as something else, proves nothing', () => {
  const { envelope } = falseBill.result
  for (const domain of ['request', 'record'] as const) {
    const result = signEnvelope(node, { ...envelope, domain })
    const shown = { ...shownBill, result: envelopeToJson(result) }
    assert.equal(proofOf(node.id, shown, judge), undefined)
  }
  const again = signEnvelope(node, envelope)
  const shown = { ...shownBill, result: envelopeToJson(again) }
  assert.equal(proofOf(node.id, shown, judge)?.cause, 'settlement-mismatch')
})

test('a gateway that counts less than was delivered proves nothing', () => {
  const honest = receiptOf({})
  const answered = exchange({ gateway, node, receipt: honest })
  const evidence = evidenceOf(answered)
  assert.equal(proofOf(node.id, { ...evidence, ...billEvidence(honest) }, judge), undefined)
  const fields = ['promptUnits', 'parts', 'choices', 'tokensMax', 'stopBytes', 'tokenIds'] as const
  const changes = fc.record({
    field: fc.constantFrom(...fields, 'bareBytes'),
    count: fc.nat(100_000),
    completionTokens: fc.nat(100_000),
    kind: fc.constantFrom('chat', 'completion', 'embedding'),
  })
  fc.assert(
    fc.property(changes, ({ completionTokens, count, field, kind }) => {
      const work = { ...honest.work, [field]: count, kind }
      const bill = { ...honest.bill, completionTokens }
      const said = { ...evidence, ...billEvidence(honest), work, bill } as JsonObject
      assert.equal(proofOf(node.id, said, judge), undefined)
      const ofBill = { ...said, content: shownBill['content'] ?? null }
      assert.equal(proofOf(node.id, ofBill, judge), undefined)
    }),
  )
})

test('whatever is said to be a bill, looking at it throws nothing', () => {
  fc.assert(
    fc.property(fc.constantFrom('content', 'work', 'bill'), fc.jsonValue(), (field, value) => {
      const said = { ...shownBill, [field]: value as JsonObject }
      assert.equal(proofOf(node.id, said, judge), undefined)
    }),
  )
})

test('a digest with a forged anchor proves who coordinated it, and nobody else', () => {
  const [anchor] = fc.sample(loadAnchor, { numRuns: 1, seed: 1 })
  const [empty] = fc.sample(clusterDigest, { numRuns: 1, seed: 1 })
  assert.ok(anchor !== undefined && empty !== undefined)
  const right = sealLoadAnchor(other, network, { ...anchor, node: other.id })
  const forged = { ...right, signature: right.signature.map((byte) => byte ^ 1) }
  const sealed = (anchors: readonly (typeof right)[], of = node) => {
    const digest = { ...empty, coordinator: of.id, anchors, ticks: [], gone: [], told: [] }
    return sealClusterDigest(of, network, digest)
  }
  const evidence = digestEvidence(sealed([right, forged]))
  const proof = proofOf(node.id, { found: 'forged-anchor', ...evidence }, judge)
  assert.deepEqual(proof, {
    cause: 'forged-statement',
    atMs: empty.issuedAtMs,
    evidence,
  })
  assert.equal(proofOf(node.id, digestEvidence(sealed([right])), judge), undefined)
  assert.equal(proofOf(other.id, evidence, judge), undefined)
  assert.equal(proofOf(node.id, evidence, { ...judge, network: 'another' }), undefined)
  // Who only says that somebody else has signed it signs it himself.
  const framed = { ...sealed([forged], gateway), signature: sealed([right]).signature }
  assert.equal(proofOf(node.id, digestEvidence(framed), judge), undefined)
  fc.assert(
    fc.property(fc.constantFrom('digest', 'signature'), fc.jsonValue(), (field, value) => {
      const changed = { ...evidence, [field]: value as JsonObject }
      assert.equal(proofOf(node.id, changed, judge), undefined)
    }),
  )
})
