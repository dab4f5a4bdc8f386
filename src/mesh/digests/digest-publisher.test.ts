import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createIdentity, type NodeId } from '../../protocol/index.ts'
import { DigestPublisher } from './digest-publisher.ts'
import { digestTimes } from './limits.ts'
import { ed25519Seals } from './seals.ts'

/** Gateways of which some acknowledge what they are told. */
class Told {
  nowMs = 0
  readonly publisher: DigestPublisher
  readonly #answering: ReadonlySet<NodeId>

  constructor(answering: readonly NodeId[]) {
    const identity = createIdentity()
    this.#answering = new Set(answering)
    const clock = { now: () => 1_800_000_000_000 + this.nowMs }
    this.publisher = new DigestPublisher(identity.id, {
      clock,
      seals: ed25519Seals(identity, 'net'),
    })
    this.publisher.step({ kind: 'role', cluster: 'c' }, 0)
  }

  name(gateways: readonly NodeId[]): void {
    this.publisher.step({ kind: 'gateways', gateways }, this.nowMs)
  }

  run(forMs: number): void {
    const { publisher } = this
    for (const endMs = this.nowMs + forMs; this.nowMs < endMs; ) {
      this.nowMs += digestTimes.publishMs
      for (const { message, to } of publisher.step({ kind: 'tick' }, this.nowMs).sends) {
        if (message.kind !== 'digest' || !this.#answering.has(to)) continue
        const { sequence } = message.digest.value
        const ack = { cluster: 'c', sequence, lacks: [] }
        publisher.step({ kind: 'ack', from: to, ack }, this.nowMs)
      }
    }
  }
}

test('a silent gateway stays out of the row however often it is named first', () => {
  const ids = Array.from({ length: 4 }, () => createIdentity().id)
  const [silent, ...answering] = ids
  assert.ok(silent)
  const told = new Told(answering)
  told.name(ids)
  // For one who has just begun alone, one gateway is enough.
  assert.deepEqual(told.publisher.told, [silent])
  told.run(digestTimes.healingMs + digestTimes.gatewaySilentMs + 1_000)
  for (let times = 0; times < 5; times += 1) {
    told.name(ids)
    assert.deepEqual(told.publisher.told, answering.slice(0, 2))
    told.run(5_000)
  }
  told.run(digestTimes.silentAgainMs)
  told.name(ids)
  assert.equal(told.publisher.told[0], silent)
})
