import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seededRandom } from '../../base/index.ts'
import {
  createIdentity,
  decodeLoadMessage,
  encodeLoadMessage,
  type Identity,
  type NodeId,
} from '../../protocol/index.ts'
import { LoadPart, type LoadPartInput } from './load-part.ts'
import { ed25519Seals } from './seals.ts'
import type { LoadEvent } from './step.ts'

const facts = {
  region: 'here',
  capabilities: new Uint8Array(32).fill(3),
  slots: 4,
  kvTokensTotal: 1_000,
  tokensPerSecond: 50,
  health: 'good' as const,
  load: { running: 2, waiting: 0, kvTokensFree: 1_000 },
}

/** Members that hear each other at once, with real keys, over encoded messages. */
class Members {
  nowMs = 0
  readonly events: LoadEvent[] = []
  readonly #parts = new Map<NodeId, LoadPart>()
  readonly #wakeAtMs = new Map<NodeId, number>()

  add(role: 'node' | 'gateway', identity: Identity = createIdentity()): LoadPart {
    const clock = { now: () => 1_800_000_000_000 + this.nowMs }
    const modules = { random: seededRandom(1), clock, seals: ed25519Seals(identity, 'net') }
    const part = new LoadPart({ self: identity.id, role }, modules, this.nowMs)
    this.#parts.set(identity.id, part)
    this.#wakeAtMs.set(identity.id, this.nowMs)
    return part
  }

  step(id: NodeId, input: LoadPartInput): void {
    const outputs = this.#parts.get(id)?.step(input, this.nowMs)
    if (outputs === undefined) return
    this.#wakeAtMs.set(id, outputs.wakeAtMs)
    this.events.push(...outputs.events)
    for (const { message, to } of outputs.sends) {
      const heard = decodeLoadMessage(encodeLoadMessage(message))
      this.step(to, { kind: 'message', from: id, message: heard })
    }
  }

  run(forMs: number): void {
    for (const untilMs = this.nowMs + forMs; this.nowMs < untilMs; this.nowMs += 100) {
      for (const [id, atMs] of this.#wakeAtMs) {
        if (this.nowMs >= atMs) this.step(id, { kind: 'tick' })
      }
    }
  }
}

function placed(members: Members, ids: readonly NodeId[], coordinator: NodeId): void {
  for (const id of ids) {
    const others = ids.filter((other) => other !== id)
    const standing = others.map((other) => ({ id: other, state: 'alive' as const }))
    members.step(id, { kind: 'place', cluster: 'c', coordinator, members: standing })
  }
}

test('nodes, their coordinator and a gateway: what a node says is in the view', () => {
  const members = new Members()
  const [a, b, gate] = [createIdentity(), createIdentity(), createIdentity()]
  for (const node of [a, b]) members.add('node', node)
  const { view } = members.add('gateway', gate)
  for (const { id } of [a, b, gate]) members.step(id, { kind: 'gateways', gateways: [gate.id] })
  // In whatever order they come to know it.
  members.step(b.id, { kind: 'facts', facts })
  placed(members, [a.id, b.id], a.id)
  members.step(a.id, { kind: 'facts', facts })
  members.run(3_000)
  assert.equal(view?.size, 2)
  for (const { id } of [a, b]) {
    assert.deepEqual(view?.node(id, members.nowMs)?.load.running, 2)
    assert.ok((view?.node(id, members.nowMs)?.ageMs ?? 9_999) <= 2_000)
  }
  // Another coordinates now.
  placed(members, [a.id, b.id], b.id)
  members.run(5_000)
  assert.ok((view?.node(a.id, members.nowMs)?.ageMs ?? 9_999) <= 2_000)
  assert.ok(members.events.every(({ kind }) => kind !== 'caught'))
})

test('a gateway that coordinates its cluster tells itself, and others', () => {
  const members = new Members()
  const [node, gate, other] = [createIdentity(), createIdentity(), createIdentity()]
  members.add('node', node)
  const own = members.add('gateway', gate)
  const far = members.add('gateway', other)
  const gateways = [gate.id, other.id]
  for (const { id } of [node, gate, other]) members.step(id, { kind: 'gateways', gateways })
  placed(members, [gate.id, node.id], gate.id)
  members.step(node.id, { kind: 'facts', facts })
  members.run(3_000)
  for (const { view } of [own, far]) {
    assert.ok((view?.node(node.id, members.nowMs)?.ageMs ?? 9_999) <= 2_000)
  }
  assert.ok(members.events.every(({ kind }) => kind !== 'caught'))
})
