import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ManualClock, seededRandom } from '../../base/index.ts'
import { EvidenceBook, experienceLimits } from '../../evidence/index.ts'
import {
  createIdentity,
  decisionIdOf,
  type Experience,
  type Identity,
  type NodeId,
  nodeIdOf,
  openExperience,
  type SealedExperience,
  type UpstreamId,
  type WorkerId,
} from '../../protocol/index.ts'
import { ExperienceExchange } from './experience-exchange.ts'
import type { KnownWorker } from './registry.ts'

const network = 'test'
const nodeOf = (number: number): NodeId => {
  const bytes = new Uint8Array(32)
  new DataView(bytes.buffer).setUint32(0, number)
  return nodeIdOf(bytes)
}

class Place {
  readonly identity: Identity = createIdentity()
  readonly evidence: EvidenceBook
  readonly trusted = new Set<NodeId>()
  readonly told: SealedExperience[] = []
  readonly shared: ExperienceExchange
  readonly #clock: ManualClock

  constructor(clock: ManualClock, nodes: ReadonlySet<string>) {
    this.#clock = clock
    this.evidence = new EvidenceBook({ clock })
    const known = { view: { models: [{ name: 'm' }] } } as unknown as KnownWorker
    this.shared = new ExperienceExchange({
      clock,
      random: seededRandom(1),
      identity: this.identity,
      network,
      evidence: this.evidence,
      registry: { find: (id) => (nodes.has(id) ? known : undefined) },
      notices: {
        isTrusted: (id) => this.trusted.has(id),
        share: (experience) => void this.told.push(experience),
      },
    })
  }

  see(worker: WorkerId, model = 'm'): void {
    this.evidence.observe({
      worker,
      model,
      atMs: this.#clock.now(),
      decision: decisionIdOf(new Uint8Array(16)),
      attempt: 0,
      outcome: { kind: 'completed' },
      blame: 'nobody',
      ttftMs: null,
      tpotMs: null,
      promptTokens: null,
      completionTokens: null,
      inFlight: 0,
    })
  }

  said(): Experience[] {
    return this.told.splice(0).map((sealed) => {
      const opened = openExperience(sealed, { gateway: this.identity.id, network })
      assert.ok(opened !== undefined)
      return opened
    })
  }
}

function places() {
  const clock = new ManualClock()
  const nodes = new Set([nodeOf(1), nodeOf(2)])
  return { clock, first: new Place(clock, nodes), second: new Place(clock, nodes) }
}

test('what one gateway has seen counts at another that relies on it, and at no other', () => {
  const { clock, first, second } = places()
  for (let i = 0; i < 40; i += 1) first.see(nodeOf(1))
  first.shared.tell()
  const [sealed] = first.told
  assert.ok(sealed !== undefined)
  second.see(nodeOf(1))
  const bound = () => second.evidence.evidence(nodeOf(1), 'm').completion.lowerBound
  const before = bound()
  assert.equal(second.shared.hear(first.identity.id, sealed), undefined)
  assert.equal(bound(), before)
  second.trusted.add(first.identity.id)
  assert.equal(second.shared.hear(first.identity.id, sealed), undefined)
  assert.ok(bound() > before)
  second.shared.hear(first.identity.id, sealed)
  second.trusted.add(second.identity.id)
  assert.equal(second.shared.hear(second.identity.id, sealed), 'forged')
  const counts = Object.fromEntries(second.shared.counts())
  assert.deepEqual(counts, { 'not-relied-on': 1, counted: 1, stale: 1, forged: 1 })
  // What it has heard it does not tell.
  clock.advance(1_000)
  second.shared.tell()
  const [row] = second.said()[0]?.rows ?? []
  assert.ok(row !== undefined && row.right <= 1)
})

test('each minute; of nodes alone, and not of what was long ago', () => {
  const { clock, first } = places()
  first.see('upstream:u' as UpstreamId)
  first.see(nodeOf(1))
  first.see(nodeOf(2), 'x'.repeat(300))
  first.shared.start()
  clock.advance(experienceLimits.tellMs)
  const [said, ...more] = first.said()
  assert.deepEqual(more, [])
  assert.deepEqual(
    said?.rows.map(({ node }) => node),
    [nodeOf(1)],
  )
  clock.advance(experienceLimits.recentMs)
  first.told.length = 0
  clock.advance(experienceLimits.tellMs)
  assert.deepEqual(first.said(), [])
  first.shared.stop()
})

test('of very many nodes each has its turn, in messages that are taken', () => {
  const { clock, first } = places()
  const many = 2 * experienceLimits.rowsMax
  for (let i = 0; i < many; i += 1) first.see(nodeOf(i), `model ${i % 700} ${'x'.repeat(120)}`)
  const named = new Set<NodeId>()
  for (let minute = 0; minute < 2; minute += 1) {
    first.shared.tell()
    const said = first.said()
    for (const { rows } of said) for (const { node } of rows) named.add(node)
    const times = said.map(({ issuedAtMs }) => issuedAtMs)
    assert.deepEqual([...new Set(times)].sort(), times)
    clock.advance(experienceLimits.tellMs)
  }
  assert.equal(named.size, many)
})
