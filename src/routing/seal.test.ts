/** A decision's signature: over the very bytes, alone or together with others. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { createIdentity, leafHash } from '../protocol/index.ts'
import { isSealed, sealAlone, sealIn, sealTree } from './seal.ts'

const gateway = createIdentity()
const other = createIdentity()

test('what was signed together can be checked one by one', () => {
  for (const count of [1, 2, 3, 7, 64, 101]) {
    const texts = Array.from({ length: count }, (_, i) => `{"record":${i}}`)
    const leaves = Buffer.concat(texts.map((text) => leafHash(Buffer.from(text))))
    const tree = sealTree(gateway, leaves)
    for (const [index, text] of texts.entries()) {
      const seal = sealIn(tree, index)
      assert.ok(seal && isSealed(text, seal))
      assert.equal(isSealed(`${text} `, seal), false)
      assert.equal(isSealed(text, { ...seal, index: seal.index + 1 }), false)
      assert.equal(isSealed(text, { ...seal, treeSize: seal.treeSize + 1 }), false)
      assert.equal(isSealed(text, { ...seal, gateway: other.id }), false)
    }
    assert.equal(sealIn(tree, count), undefined)
  }
})

test('any other text, and any other signature, is found', () => {
  const text = JSON.stringify({ id: 'dec_1', chosen: 'ünïcode', atMs: 1.5 })
  const seal = sealAlone(gateway, text)
  assert.ok(isSealed(text, seal))
  const bytes = Buffer.from(text)
  fc.assert(
    fc.property(fc.nat({ max: bytes.length - 1 }), fc.integer({ min: 1, max: 255 }), (at, by) => {
      const changed = Buffer.from(bytes)
      changed[at] = (changed[at] ?? 0) ^ by
      assert.equal(isSealed(changed.toString('latin1'), seal), false)
    }),
  )
  for (const signature of ['', 'AAAA', sealAlone(other, text).signature]) {
    assert.equal(isSealed(text, { ...seal, signature }), false)
  }
  for (const siblings of ['AAAA', 'not base64 at all']) {
    assert.equal(isSealed(text, { ...seal, siblings }), false)
  }
})
