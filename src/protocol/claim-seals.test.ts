import assert from 'node:assert/strict'
import { test } from 'node:test'
import { cardLifeMs, signClaim, verifyClaim } from './claim-seals.ts'
import { createIdentity } from './identity.ts'
import {
  decodeNeighbourhoodMessage,
  encodeNeighbourhoodMessage,
} from './messages/neighbourhood-message.ts'
import type { MeshCardBody, MeshClaim, MeshClaimBody } from './neighbourhood.ts'
import { nodeKeyOf } from './node-key.ts'

const [own, other] = [createIdentity(), createIdentity()]
const now = 1_700_000_000_000
const context = { scope: 'test', now }
const card: MeshCardBody = {
  kind: 'card',
  id: own.id,
  epoch: 3,
  cluster: 'one',
  clusterSize: 4,
  contact: Uint8Array.of(1, 2),
  sketch: [{ key: nodeKeyOf(other.id), ms: 1 / 3 }],
  coordinate: {
    position: [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8],
    heightMs: 0.7,
    adjustmentMs: -0.3,
    error: 0.9,
  },
}
const bodies: readonly MeshClaimBody[] = [
  card,
  {
    kind: 'roster',
    cluster: 'one',
    version: 7,
    coordinator: own.id,
    seats: [
      { id: own.id, epoch: 1 },
      { id: other.id, epoch: 2 },
    ],
  },
  { kind: 'standing', id: own.id, cluster: 'one', epoch: 1, far: [other.id] },
]

function signed(body: MeshClaimBody, by = own): MeshClaim {
  return signClaim(by, body, context) as MeshClaim
}

test('a claim is valid by its own signer and in its scope', () => {
  for (const body of bodies) {
    assert.equal(verifyClaim(signed(body), context), 'valid')
    assert.equal(verifyClaim(signed(body, other), context), 'forged')
    assert.equal(verifyClaim(signed(body), { ...context, scope: 'other' }), 'forged')
    const early = { ...context, now: now - 3_600_000 }
    assert.equal(verifyClaim(signed(body), early), 'expired')
  }
})

test('a card expires; a roster and a standing count until there is a later one', () => {
  const late = { ...context, now: now + 10 * cardLifeMs }
  const outcomes = bodies.map((body) => verifyClaim(signed(body), late))
  assert.deepEqual(outcomes, ['expired', 'valid', 'valid'])
})

test('any changed field is a forgery', () => {
  const [said, roster, standing] = bodies.map((body) => signed(body))
  assert.ok(said?.kind === 'card' && roster?.kind === 'roster' && standing?.kind === 'standing')
  const changed: MeshClaim[] = [
    { ...said, epoch: 4 },
    { ...said, cluster: 'two' },
    { ...said, clusterSize: 5 },
    { ...said, sketch: [] },
    { ...said, contact: Uint8Array.of(1, 3) },
    { ...said, sketch: [{ key: nodeKeyOf(other.id), ms: 1 }] },
    { ...said, coordinate: { ...said.coordinate, heightMs: 0.8 } },
    { ...said, issuedAtMs: now - 1 },
    { ...roster, version: 8 },
    { ...roster, seats: roster.seats.slice(1) },
    { ...standing, far: [] },
    { ...standing, epoch: 2 },
  ]
  for (const claim of changed) assert.equal(verifyClaim(claim, context), 'forged')
})

test('a card is as valid when the wire has rounded its fractions', () => {
  const message = { kind: 'moved' as const, card: signClaim(own, card, context) }
  const heard = decodeNeighbourhoodMessage(encodeNeighbourhoodMessage(message))
  assert.ok(heard.kind === 'moved')
  assert.notDeepEqual(heard.card.coordinate, card.coordinate)
  assert.equal(verifyClaim(heard.card, context), 'valid')
})
