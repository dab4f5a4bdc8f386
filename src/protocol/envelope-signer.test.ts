import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { AssertionFailure, ManualClock, ManualTurn, seededRandom } from '../base/index.ts'
import {
  canonicalBytes,
  type EnvelopeExpectation,
  type EnvelopeFields,
  envelopeOf,
  hashBody,
  type SignedEnvelope,
  signEnvelope,
  treeStatement,
  verifyEnvelope,
} from './envelope.ts'
import { envelopeLimits } from './envelope-limits.ts'
import { EnvelopeSigner } from './envelope-signer.ts'
import type { ErrorCode } from './error-codes.ts'
import { hasCode } from './errors.ts'
import { createIdentity, type Identity } from './identity.ts'
import { leafHash, MerkleTree } from './merkle-tree.ts'
import { NonceStore } from './nonce-store.ts'
import { identities } from './protocol.fixture.ts'
import { VerifiedRoots, verifiedRootsLimits } from './verified-roots.ts'

const [alice = createIdentity(), bob = createIdentity(), carol = createIdentity()] = identities
const bodyHash = hashBody(Buffer.from('what is the capital of Peru?'))

test('an envelope that is alone in its turn is signed itself, when the turn ends', async () => {
  const { signer, turn, fields, expectation, signatures } = setUp()
  let isSigned = false
  const signing = signer.sign(fields()).finally(() => {
    isSigned = true
  })
  await Promise.resolve()
  assert.deepEqual([isSigned, signatures()], [false, 0])
  await turn.end()
  assert.equal(isSigned, true)
  const signed = await signing
  assert.equal(signed.inclusion, null)
  assert.deepEqual(signed.signature, alice.sign(canonicalBytes(signed.envelope)))
  verifyEnvelope(signed, expectation())
})

test('turns of 1 to 70 envelopes: each is accepted once, for one signature a turn', async () => {
  for (let size = 1; size <= 70; size += 1) {
    const { signTogether, expectation, signatures } = setUp()
    const signed = await signTogether(size)
    assert.equal(signatures(), 1)
    const expected = expectation()
    for (const one of signed) verifyEnvelope(one, expected)
    for (const one of signed) assertRefused(one, expected, 'envelope_replayed')
  }
})

test('the same without a memory of verified roots', async () => {
  const { signTogether, expectation } = setUp()
  const { roots: _, ...expected } = expectation()
  for (const one of await signTogether(5)) verifyEnvelope(one, expected)
})

test('a turn begins anew after each end', async () => {
  const { signTogether, expectation, signatures } = setUp()
  const expected = expectation()
  for (const one of [...(await signTogether(3)), ...(await signTogether(1))]) {
    verifyEnvelope(one, expected)
  }
  assert.equal(signatures(), 2)
})

test('more envelopes than a tree may have are signed in several', async () => {
  const { signTogether, expectation, signatures } = setUp()
  const { treeLeavesMax, proofHashesMax } = envelopeLimits
  const signed = await signTogether(treeLeavesMax + 2)
  assert.equal(signatures(), 2)
  const sizes = new Set(signed.map(({ inclusion }) => inclusion?.treeSize))
  assert.deepEqual([...sizes], [treeLeavesMax, 2])
  const lengths = signed.map(({ inclusion }) => inclusion?.siblings.length ?? 0)
  assert.equal(Math.max(...lengths), 32 * proofHashesMax)
  const expected = expectation()
  for (const index of [0, 1, treeLeavesMax - 1, treeLeavesMax, treeLeavesMax + 1]) {
    verifyEnvelope(at(signed, index), expected)
  }
})

test('a flipped bit anywhere is refused, though the root is known, and uses no nonce', async () => {
  const { signTogether, expectation } = setUp()
  const turns = await Promise.all([2, 3, 7, 8].map((size) => signTogether(size)))
  const expected = expectation()
  const known = expectation({ roots: expected.roots })
  for (const signed of turns) verifyEnvelope(at(signed, 0), expected)
  const parts = ['siblings', 'signature', 'nonce', 'index', 'treeSize'] as const
  fc.assert(
    fc.property(
      fc.constantFrom(...turns.flatMap((signed) => signed.slice(1))),
      fc.constantFrom(...parts),
      fc.nat(),
      (signed, part, bit) => assertRefused(flipped(signed, part, bit), known, 'invalid_signature'),
    ),
    { numRuns: 400 },
  )
  assert.equal(known.nonces.size, 0)
  for (const signed of turns) for (const one of signed) verifyEnvelope(one, known)
})

test('a proof of one envelope is none of another', async () => {
  const { signTogether, expectation } = setUp()
  const [signed, others] = [await signTogether(6), await signTogether(6)]
  const expected = expectation()
  verifyEnvelope(at(signed, 0), expected)
  for (const { signature, inclusion } of [...signed, ...others]) {
    for (const { envelope, inclusion: own } of signed.slice(1)) {
      if (inclusion === own) continue
      assertRefused({ envelope, signature, inclusion }, expected, 'invalid_signature')
    }
  }
})

test('a tree of another size, whose proof would be the same, is refused', async () => {
  const { signTogether, expectation } = setUp()
  const signed = await signTogether(3)
  const { inclusion, ...first } = at(signed, 0)
  assert.ok(inclusion !== null)
  const expected = expectation()
  verifyEnvelope(at(signed, 1), expected)
  // In a tree of 4, the first leaf's way up has the same turns.
  const claimed = { ...first, inclusion: { ...inclusion, treeSize: 4 } }
  assertRefused(claimed, expected, 'invalid_signature')
  verifyEnvelope({ ...first, inclusion }, expected)
})

test('a proof that is too short, too long, or of no tree, is refused and says so', async () => {
  const { signTogether, expectation } = setUp()
  const signed = at(await signTogether(4), 1)
  const { inclusion } = signed
  assert.ok(inclusion !== null)
  const { siblings } = inclusion
  const wrong = [
    { siblings: siblings.subarray(32) },
    { siblings: Buffer.concat([siblings, new Uint8Array(32)]) },
    { siblings: siblings.subarray(1) },
    { siblings: new Uint8Array(0) },
    { index: 4 },
    { treeSize: 0, index: 0, siblings: new Uint8Array(0) },
    { treeSize: 1, index: 0, siblings: new Uint8Array(0) },
    { treeSize: 2 * envelopeLimits.treeLeavesMax, siblings: new Uint8Array(32 * 11) },
  ]
  for (const part of wrong) {
    const claimed = { ...signed, inclusion: { ...inclusion, ...part } }
    assert.throws(
      () => verifyEnvelope(claimed, expectation()),
      (error) =>
        hasCode(error, 'invalid_signature') && /which is none for leaf/.test(String(error)),
    )
  }
})

test('a tree of one is no second way to sign an envelope', () => {
  const { fields, expectation } = setUp()
  const envelope = envelopeOf(alice, fields())
  const { root } = new MerkleTree([leafHash(canonicalBytes(envelope))])
  const signature = alice.sign(treeStatement(root, 1))
  const inclusion = { index: 0, treeSize: 1, siblings: new Uint8Array(0) }
  assertRefused({ envelope, signature, inclusion }, expectation(), 'invalid_signature')
})

test('the signature of a tree is none over an envelope, nor the other way round', async () => {
  const { signTogether, fields, expectation } = setUp()
  const signed = at(await signTogether(2), 0)
  assertRefused({ ...signed, inclusion: null }, expectation(), 'invalid_signature')
  const single = signEnvelope(alice, fields())
  const mixed = { ...single, inclusion: signed.inclusion }
  assertRefused(mixed, expectation(), 'invalid_signature')
})

test('a root that one sender signed holds nothing of another sender', () => {
  const { fields, expectation } = setUp()
  const envelopes = [envelopeOf(alice, fields()), envelopeOf(bob, fields())]
  const leaves = envelopes.map((envelope) => leafHash(canonicalBytes(envelope)))
  const tree = new MerkleTree(leaves)
  const { root } = tree
  const inclusions = leaves.map((_, index) => tree.inclusion(index))
  const signature = alice.sign(treeStatement(root, 2))
  const [own, others] = envelopes.map((envelope, index) => {
    const inclusion = inclusions[index]
    assert.ok(inclusion !== undefined)
    return { envelope, signature, inclusion }
  })
  assert.ok(own !== undefined && others !== undefined)
  const expected = expectation()
  verifyEnvelope(own, expected)
  assertRefused(others, { ...expected, peer: bob.id }, 'invalid_signature')
})

test('a root that was refused is not remembered', async () => {
  const { signTogether, expectation } = setUp(carol)
  // Said to be alice's, and signed by carol.
  const claimed = (await signTogether(3)).map((signed) => ({
    ...signed,
    envelope: { ...signed.envelope, sender: alice.id },
  }))
  const expected = expectation()
  for (const one of [...claimed, ...claimed]) assertRefused(one, expected, 'invalid_signature')
  assert.equal(expected.roots.size, 0)
})

test('a root that is not remembered any more is verified again', async () => {
  const { signTogether, expectation, clock } = setUp()
  const signed = await signTogether(3)
  const expected = expectation()
  verifyEnvelope(at(signed, 0), expected)
  clock.advance(2 * verifiedRootsLimits.generationMs)
  verifyEnvelope(at(signed, 1), expected)
  assert.equal(expected.roots.size, 1)
})

test('an envelope that cannot be written holds up no other', async () => {
  const { signer, turn, fields, expectation } = setUp()
  const good = signer.sign(fields())
  assert.throws(() => signer.sign({ ...fields(), network: '\ud800' }), AssertionFailure)
  await turn.end()
  verifyEnvelope(await good, expectation())
})

test('when signing fails, everybody who waits hears it', async () => {
  const turn = new ManualTurn()
  const failing: Identity = {
    ...alice,
    sign: () => {
      throw new Error('the key is gone')
    },
  }
  const signer = new EnvelopeSigner(failing, turn)
  const { fields } = setUp()
  const signing = [signer.sign(fields()), signer.sign(fields())]
  const outcomes = Promise.allSettled(signing)
  await turn.end()
  for (const { status } of await outcomes) assert.equal(status, 'rejected')
})

function setUp(identity: Identity = alice) {
  const clock = new ManualClock()
  const turn = new ManualTurn()
  const random = seededRandom(1)
  let signatures = 0
  const counting: Identity = {
    ...identity,
    sign: (bytes) => {
      signatures += 1
      return identity.sign(bytes)
    },
  }
  const signer = new EnvelopeSigner(counting, turn)
  const fields = (): EnvelopeFields => ({
    domain: 'request',
    network: 'home',
    recipient: bob.id,
    bodyHash,
    nonce: random.bytes(16),
    issuedAtMs: clock.now(),
    expiresAtMs: clock.now() + 30_000,
    modelDigest: null,
  })
  const signTogether = async (size: number): Promise<readonly SignedEnvelope[]> => {
    const signing = Array.from({ length: size }, () => signer.sign(fields()))
    await turn.end()
    return Promise.all(signing)
  }
  const expectation = (more: Partial<EnvelopeExpectation> = {}) => ({
    expectedDomain: 'request' as const,
    network: 'home',
    self: bob.id,
    peer: alice.id,
    bodyHash,
    now: clock.now(),
    nonces: new NonceStore({ entriesMax: 2_000, clock }),
    roots: new VerifiedRoots({ sendersMax: 4, clock }),
    ...more,
  })
  return { signer, turn, clock, fields, signTogether, expectation, signatures: () => signatures }
}

type Part = 'siblings' | 'signature' | 'nonce' | 'index' | 'treeSize'

function flipped(signed: SignedEnvelope, part: Part, bit: number): SignedEnvelope {
  const { envelope, signature, inclusion } = signed
  assert.ok(inclusion !== null)
  switch (part) {
    case 'signature':
      return { ...signed, signature: flipBit(signature, bit) }
    case 'nonce':
      return { ...signed, envelope: { ...envelope, nonce: flipBit(envelope.nonce, bit) } }
    case 'siblings':
      return {
        ...signed,
        inclusion: { ...inclusion, siblings: flipBit(inclusion.siblings, bit) },
      }
    case 'index':
    case 'treeSize':
      return {
        ...signed,
        inclusion: { ...inclusion, [part]: (inclusion[part] ^ (1 << (bit & 31))) >>> 0 },
      }
  }
}

function flipBit(bytes: Uint8Array, bit: number): Uint8Array {
  const copy = bytes.slice()
  const place = bit % (8 * bytes.length)
  copy[place >> 3] = (copy[place >> 3] ?? 0) ^ (1 << (place & 7))
  return copy
}

function at(signed: readonly SignedEnvelope[], index: number): SignedEnvelope {
  const one = signed[index]
  assert.ok(one !== undefined)
  return one
}

function assertRefused(signed: SignedEnvelope, expected: EnvelopeExpectation, code: ErrorCode) {
  assert.throws(
    () => verifyEnvelope(signed, expected),
    (error) => {
      assert.ok(hasCode(error, code), String(error))
      return true
    },
  )
}
