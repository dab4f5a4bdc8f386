/** What follows from the word of another gateway: little, unless the node itself has proven it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { ManualClock } from '../../base/index.ts'
import { createIdentity, type Identity, type NodeId } from '../../protocol/index.ts'
import { EvidenceBook } from '../evidence-book.ts'
import type { FaultKind, SignedStep } from '../index.ts'
import {
  Accusations,
  accusationWeight,
  accusersMax,
  type Heard,
  noticesPerGatewayMax,
} from './accusations.ts'
import { readNotice } from './notice.ts'
import { evidenceOf, exchange, network, otherModel, TellingGateway } from './notices.fixture.ts'

const nodes = Array.from({ length: 4 }, createIdentity)
const [node, second] = nodes as [Identity, Identity]

function setting() {
  const clock = new ManualClock()
  const known = new Set(nodes.map(({ id }) => id))
  const trusted = new Set<NodeId>()
  const forgiven = new Map<NodeId, number>()
  const evidence = new EvidenceBook({ clock })
  const accusations = new Accusations({
    clock,
    network,
    bills: () => ({ overbilledShareMax: 0.05, overbilledTokensMax: 32 }),
    isKnown: (worker) => known.has(worker),
    forgivenUntilMs: (worker) => forgiven.get(worker) ?? Number.NEGATIVE_INFINITY,
    isTrusted: (gateway) => trusted.has(gateway),
    observe: (worker, at) => evidence.hear(worker, at),
  })
  const gatewayOf = () => new TellingGateway(() => clock.now())
  const hear = (gateway: TellingGateway, signed: SignedStep): Heard => {
    const notice = readNotice(signed, gateway.identity.id)
    assert.ok(typeof notice === 'object')
    return accusations.hear(notice)
  }
  const accuse = (gateway: TellingGateway, of: Identity, kind: FaultKind = 'result-content') =>
    gateway.accuse(of, kind, evidenceOf(exchange({ gateway: gateway.identity, node: of })))
  const proven = (gateway: TellingGateway, of: Identity, atMs = clock.now()) => {
    const about = { gateway: gateway.identity, node: of, answered: otherModel, atMs }
    return gateway.accuse(of, 'result-model', evidenceOf(exchange(about)))
  }
  const faults = (of: Identity) => evidence.evidence(of.id, 'm').clean.samples
  return { accusations, clock, known, trusted, forgiven, gatewayOf, hear, accuse, proven, faults }
}

test('what is proven is judged, whoever brings it; what is said is looked at', () => {
  const { accuse, gatewayOf, hear, proven } = setting()
  const gateway = gatewayOf()
  const heard = hear(gateway, proven(gateway, node))
  assert.ok(heard.kind === 'proven' && heard.follows?.kind === 'condemn')
  assert.equal(heard.follows.said.worker, node.id)
  const said = hear(gateway, accuse(gateway, second))
  assert.ok(said.kind === 'accused' && said.follows?.kind === 'check')
})

test('a question shows nothing of what a node does besides answering', () => {
  const { accuse, gatewayOf, hear } = setting()
  const gateway = gatewayOf()
  const heard = hear(gateway, accuse(gateway, node, 'record-identity'))
  assert.deepEqual(heard, { kind: 'accused', follows: undefined })
})

test('the same word again is nothing new, also after it was taken back', () => {
  const { accuse, gatewayOf, hear } = setting()
  const gateway = gatewayOf()
  const opened = accuse(gateway, node)
  assert.equal(hear(gateway, opened).kind, 'accused')
  assert.equal(hear(gateway, opened).kind, 'repeated')
  const lifted = gateway.lift(node)
  assert.deepEqual(hear(gateway, lifted), { kind: 'ended', worker: node.id })
  assert.equal(hear(gateway, lifted).kind, 'repeated')
  assert.equal(hear(gateway, opened).kind, 'repeated')
})

test('a word of those relied on counts a quarter of a fault until it is taken back', () => {
  const { accusations, accuse, faults, gatewayOf, hear, trusted } = setting()
  const stranger = gatewayOf()
  hear(stranger, accuse(stranger, node))
  assert.equal(faults(node), 0)
  // It has proven itself since.
  trusted.add(stranger.identity.id)
  accusations.tick()
  assert.equal(faults(node), accusationWeight)
  accusations.tick()
  assert.equal(faults(node), accusationWeight)
  hear(stranger, stranger.lift(node))
  assert.equal(faults(node), 0)
})

test('of a node that is not here nothing follows until it comes; then at once, and once', () => {
  const { accusations, accuse, gatewayOf, hear, known, proven } = setting()
  const gateway = gatewayOf()
  known.clear()
  assert.deepEqual(hear(gateway, proven(gateway, node)), { kind: 'proven', follows: undefined })
  assert.deepEqual(hear(gateway, accuse(gateway, second)), { kind: 'accused', follows: undefined })
  known.add(node.id)
  known.add(second.id)
  assert.deepEqual(
    [node, second].map(({ id }) => accusations.joined(id).map(({ kind }) => kind)),
    [['condemn'], ['check']],
  )
  assert.deepEqual(accusations.joined(node.id), [])
})

test('what an operator here has forgiven stays forgiven, however often it is shown', () => {
  const { accuse, clock, forgiven, gatewayOf, hear, proven } = setting()
  const before = proven(gatewayOf(), node)
  const gateway = gatewayOf()
  const again = proven(gateway, node)
  const said = accuse(gateway, second)
  clock.advance(1_000)
  forgiven.set(node.id, clock.now())
  forgiven.set(second.id, clock.now())
  assert.equal(hear(gateway, again).kind, 'late')
  assert.equal(hear(gateway, said).kind, 'late')
  assert.ok(before.json.length > 0)
  clock.advance(1_000)
  const third = gatewayOf()
  assert.equal(hear(third, proven(third, node)).kind, 'proven')
})

test('what was forgiven before a node came is forgiven when it comes', () => {
  const { accusations, accuse, forgiven, gatewayOf, hear, known, proven, clock } = setting()
  known.delete(node.id)
  const [shows, says] = [gatewayOf(), gatewayOf()]
  hear(shows, proven(shows, node))
  hear(says, accuse(says, node))
  forgiven.set(node.id, clock.now())
  known.add(node.id)
  assert.deepEqual(accusations.joined(node.id), [])
})

test('a gateway that lies as it likes costs honest nodes a quarter of a fault each', () => {
  const step = fc.record({
    node: fc.nat(nodes.length - 1),
    gateway: fc.nat(2),
    what: fc.constantFrom('accuse', 'lift', 'tick', 'joined', 'wait'),
  })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60, size: 'max' }), (steps) => {
      const at = setting()
      const gateways = [at.gatewayOf(), at.gatewayOf(), at.gatewayOf()] as const
      at.trusted.add(gateways[0].identity.id)
      at.trusted.add(gateways[1].identity.id)
      for (const { gateway: g, node: n, what } of steps) {
        const gateway = gateways[g] as TellingGateway
        const of = nodes[n] as Identity
        const isOpen = gateway.book.of(of.id) !== undefined
        if (what === 'tick') at.accusations.tick()
        else if (what === 'wait') at.clock.advance(60_000)
        else if (what === 'joined') {
          for (const { kind } of at.accusations.joined(of.id)) assert.equal(kind, 'check')
        } else if (what === 'lift' && isOpen) at.hear(gateway, gateway.lift(of))
        else {
          // As often as it likes: a liar's book need not be in order.
          const liar = isOpen ? new TellingGateway(() => at.clock.now(), gateway.identity) : gateway
          const heard = at.hear(gateway, at.accuse(liar, of))
          assert.ok(heard.kind === 'accused' && heard.follows?.kind !== 'condemn')
        }
      }
      for (const of of nodes) assert.ok(at.faults(of) <= 2 * accusationWeight + 1e-9)
    }),
    { numRuns: 40 },
  )
})

test('a crowd of strangers pushes out nothing of a gateway that is relied on', () => {
  const { accusations, accuse, faults, gatewayOf, hear, known, proven, trusted } = setting()
  const gateway = gatewayOf()
  trusted.add(gateway.identity.id)
  known.delete(second.id)
  hear(gateway, accuse(gateway, node))
  hear(gateway, proven(gateway, second))
  for (let i = 0; i < accusersMax + 5; i += 1) {
    const stranger = gatewayOf()
    hear(stranger, accuse(stranger, node))
  }
  assert.equal(faults(node), accusationWeight)
  known.add(second.id)
  const kinds = accusations.joined(second.id).map(({ kind }) => kind)
  assert.deepEqual(kinds, ['condemn'])
})

test('of more gateways than are heard the first one’s word counts no longer', () => {
  const { accuse, faults, gatewayOf, hear, trusted } = setting()
  for (let i = 0; i < accusersMax + 3; i += 1) {
    const gateway = gatewayOf()
    trusted.add(gateway.identity.id)
    hear(gateway, accuse(gateway, node))
  }
  assert.equal(faults(node), accusersMax * accusationWeight)
})

test('whoever says much forgets its own first words', () => {
  const { accusations, accuse, faults, gatewayOf, hear, known, trusted } = setting()
  const gateway = gatewayOf()
  trusted.add(gateway.identity.id)
  hear(gateway, accuse(gateway, node))
  assert.equal(faults(node), accusationWeight)
  for (let i = 0; i < noticesPerGatewayMax; i += 1) hear(gateway, accuse(gateway, createIdentity()))
  assert.equal(faults(node), 0)
  assert.ok(known.has(node.id))
  assert.deepEqual(accusations.joined(node.id), [])
})
