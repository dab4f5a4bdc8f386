import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { NodeId } from '../../protocol/index.ts'
import type { CardBody } from '../directory/card.ts'
import type { ClaimBody, RosterBody, StandingBody } from './claims.ts'
import { Federation, sealOf } from './federation.fixture.ts'
import { clusterTimes } from './limits.ts'
import { towns } from './synthetic-sites.fixture.ts'

function settled(count: number, seed: number): Federation {
  const { roundTripMs } = towns(count, 1, seed)
  const federation = new Federation({ seed, count, roundTripMs })
  federation.start()
  federation.runUntil(() => federation.clusters().size === 1, 300_000)
  federation.run(20_000)
  assert.equal(federation.clusters().size, 1)
  federation.events.length = 0
  return federation
}

/** Signed with the key of the one, whatever the body says. */
function signedBy<Body extends ClaimBody>(federation: Federation, signer: number, body: Body) {
  const { id } = federation.host(signer)
  return sealOf(id, () => federation.nowMs).sign(body)
}

function faultsAt(federation: Federation, index: number): string[] {
  return federation.events.flatMap(({ index: at, event }) =>
    at === index && event.kind === 'rejected' ? [event.fault] : [],
  )
}

/** Coordinator, two other members, by index. */
function roles(federation: Federation): { coordinator: number; liar: number; victim: number } {
  const { members } = federation.host(0).node.place
  const [coordinator, liar, victim] = members.map((id) => federation.indexOf(id))
  return { coordinator: coordinator ?? 0, liar: liar ?? 0, victim: victim ?? 0 }
}

function rosterBody(federation: Federation, change: Partial<RosterBody>): RosterBody {
  const { kind, cluster, version, coordinator, seats } = federation.host(0).node.roster
  return { kind, cluster, version: version + 1, coordinator, seats, ...change }
}

function cardBody(federation: Federation, index: number, change: Partial<CardBody>): CardBody {
  const { signature: _, issuedAtMs: __, ...body } = federation.host(index).node.card
  return { ...body, ...change }
}

test('a roster that the coordinator did not sign changes nothing and is counted', () => {
  const federation = settled(8, 1)
  const { coordinator, liar, victim } = roles(federation)
  const before = federation.host(victim).node.roster
  const [first, second] = before.seats
  const without = { seats: [first, second].filter((seat) => seat !== undefined) }
  const parts = { coordinator: federation.host(coordinator).id, standings: [], cards: [] }
  const forged = signedBy(federation, liar, rosterBody(federation, without))
  federation.inject(liar, victim, { kind: 'roster', roster: forged, ...parts })
  const leap = signedBy(federation, coordinator, rosterBody(federation, { version: 2 ** 50 }))
  federation.inject(liar, victim, { kind: 'roster', roster: leap, ...parts })
  const twice = rosterBody(federation, { seats: [...before.seats, ...before.seats] })
  const doubled = signedBy(federation, coordinator, twice)
  federation.inject(liar, victim, { kind: 'roster', roster: doubled, ...parts })
  assert.deepEqual(faultsAt(federation, victim), ['forged', 'malformed', 'malformed'])
  assert.equal(federation.host(victim).node.roster, before)
})

test('who pretends to coordinate is not obeyed, and accused when no partition excuses it', () => {
  const federation = settled(8, 1)
  const { liar, victim } = roles(federation)
  const before = federation.host(victim).node.roster
  const { id: name } = federation.host(liar)
  const parts = { coordinator: name, standings: [], cards: [] }
  const usurped = signedBy(federation, liar, rosterBody(federation, { coordinator: name }))
  for (const faults of [[], [], ['usurped']]) {
    federation.inject(liar, victim, { kind: 'roster', roster: usurped, ...parts })
    assert.deepEqual(faultsAt(federation, victim), faults)
    federation.run(20_000)
  }
  assert.equal(federation.host(victim).node.roster, before)
})

test('nobody gets a seat with another’s card, or takes another’s seat away', () => {
  const federation = settled(8, 2)
  const { coordinator, liar, victim } = roles(federation)
  const { cluster, version } = federation.host(0).node.roster
  const before = federation.host(coordinator).node.roster
  const elsewhere = { cluster: 'elsewhere', epoch: 2 ** 40 }
  const forged = signedBy(federation, liar, cardBody(federation, victim, elsewhere))
  federation.inject(liar, coordinator, { kind: 'moved', card: forged })
  federation.inject(victim, coordinator, { kind: 'moved', card: forged })
  federation.inject(liar, coordinator, { kind: 'ask', cluster, version, card: forged, trips: [] })
  const theirs = federation.host(victim).node.card
  federation.inject(liar, coordinator, { kind: 'ask', cluster, version, card: theirs, trips: [] })
  const changed = signedBy(federation, victim, cardBody(federation, liar, elsewhere))
  federation.inject(liar, coordinator, { kind: 'ask', cluster, version, card: changed, trips: [] })
  federation.inject(liar, coordinator, { kind: 'moved', card: changed })
  const faults = faultsAt(federation, coordinator)
  assert.equal(faults.length, 6)
  assert.deepEqual(new Set(faults), new Set(['forged']))
  assert.equal(federation.host(coordinator).node.roster, before)
})

test('nobody speaks for another’s distances', () => {
  const federation = settled(8, 3)
  const { coordinator, liar, victim } = roles(federation)
  const { cluster } = federation.host(0).node.roster
  const { epoch } = federation.host(victim).node.place
  const far = federation.host(victim).node.place.members.slice()
  const body: StandingBody = {
    kind: 'standing',
    id: federation.host(victim).id,
    cluster,
    epoch,
    far,
  }
  const standing = signedBy(federation, liar, body)
  federation.inject(liar, coordinator, { kind: 'standing', standing })
  federation.inject(victim, coordinator, { kind: 'standing', standing })
  assert.deepEqual(faultsAt(federation, coordinator), ['forged', 'forged'])
  federation.run(60_000)
  assert.equal(federation.clusters().size, 1)
})

test('a member that calls all others far goes, and they stay', () => {
  const federation = settled(10, 4)
  const { liar } = roles(federation)
  const { cluster, epoch, members } = federation.host(liar).node.place
  const { id } = federation.host(liar)
  const far = members.filter((member) => member !== id)
  const standing = signedBy(federation, liar, { kind: 'standing', id, cluster, epoch, far })
  for (const { index } of federation.hosts) {
    if (index !== liar) federation.inject(liar, index, { kind: 'standing', standing })
  }
  federation.run(2 * clusterTimes.dropAfterMs)
  const left = federation.events.flatMap(({ index, event }) =>
    event.kind === 'placed' && event.reason !== 'admitted' ? [index] : [],
  )
  assert.deepEqual(new Set(left), new Set([liar]))
})

test('one that lies its way in goes once the others have measured it', () => {
  const federation = settled(10, 5)
  const { coordinator } = roles(federation)
  const liar = [...federation.hosts].find(({ index }) => index !== coordinator)?.index ?? 0
  // It leaves, and comes back from afar with invented round trips.
  federation.input(liar, { kind: 'leave' })
  federation.run(5_000)
  const near = federation.roundTripMs
  federation.roundTripMs = (one, other) => (one === liar || other === liar ? 80 : near(one, other))
  const { cluster, version, seats } = federation.host(coordinator).node.roster
  const trips = seats.map(({ id }) => ({ id, ms: 3 }))
  const body = cardBody(federation, liar, {})
  const card = signedBy(federation, liar, body)
  federation.inject(liar, coordinator, { kind: 'ask', cluster, version, card, trips })
  const { id } = federation.host(liar)
  const place = { id, cluster, epoch: card.epoch + 1 }
  const standing = signedBy(federation, liar, { kind: 'standing', ...place, far: [] })
  federation.inject(liar, coordinator, { kind: 'standing', standing })
  const isSeated = () => federation.host(coordinator).node.roster.seats.some((s) => s.id === id)
  assert.ok(isSeated())
  // Membership's probes find it out; it does not go by itself, so that the coordinator drops it.
  federation.run(3_000)
  for (const { index } of federation.hosts) {
    if (index === liar) continue
    for (let i = 0; i < 3; i += 1) federation.input(index, { kind: 'round-trip', id, ms: 80 })
  }
  const tookMs = federation.runUntil(() => !isSeated(), 60_000)
  assert.ok(tookMs <= 30_000, `took ${tookMs} ms`)
  assert.equal(federation.placed(), 9)
})

test('members desert a coordinator that keeps who violates the bound', () => {
  const federation = settled(8, 6)
  const { coordinator, liar } = roles(federation)
  const accomplice = federation.host(liar).id
  // Neither the coordinator nor its accomplice does anything any more, but both answer.
  federation.crash(coordinator)
  federation.crash(liar)
  for (const { index, isUp } of federation.hosts) {
    if (!isUp) continue
    for (let i = 0; i < 3; i += 1) {
      federation.input(index, { kind: 'round-trip', id: accomplice, ms: 90 })
    }
  }
  const before = federation.host(0).node.place.cluster
  for (let ranMs = 0; ranMs < 25_000; ranMs += 1_000) {
    federation.run(1_000)
    for (const { index, isUp, node } of federation.hosts) {
      if (!isUp) continue
      const { cluster, version } = node.roster
      if (cluster !== before) continue
      federation.inject(coordinator, index, { kind: 'here-ack', cluster, version })
      federation.inject(liar, index, { kind: 'here-ack', cluster, version })
    }
  }
  federation.runUntil(() => federation.placed() === 6, 120_000)
  const up = federation.hosts.filter(({ isUp }) => isUp)
  assert.ok(up.every(({ node }) => node.place.cluster !== before))
  assert.equal(federation.placed(), 6) // they have each other
})

test('who sends too much is not heard, by name; others are', () => {
  const federation = settled(6, 8)
  const { liar, victim, coordinator } = roles(federation)
  for (let i = 0; i < 500; i += 1) {
    federation.inject(liar, victim, { kind: 'probe', nonce: i })
  }
  const faults = faultsAt(federation, victim)
  assert.ok(faults.length >= 400)
  assert.deepEqual(new Set(faults), new Set(['flood']))
  const liarId = federation.host(liar).id
  const named = federation.events.every(
    ({ event }) => event.kind !== 'rejected' || event.from === liarId,
  )
  assert.ok(named)
  const sent = federation.host(victim).bytesSent
  federation.inject(coordinator, victim, { kind: 'probe', nonce: 1 })
  assert.ok(federation.host(victim).bytesSent > sent)
})

test('what is oversized is refused unread', () => {
  const federation = settled(6, 9)
  const { liar, victim } = roles(federation)
  const id = 'x'.repeat(52) as NodeId
  const { node } = federation.host(liar)
  const { card, roster } = node
  const { cluster, version } = roster
  const many = Array.from({ length: 65 }, () => ({ id, ms: 1 }))
  federation.inject(liar, victim, { kind: 'ask', cluster, version, card, trips: many })
  const far = many.map((trip) => trip.id)
  const place = { id: federation.host(liar).id, cluster, epoch: node.place.epoch }
  const standing = signedBy(federation, liar, { kind: 'standing', ...place, far })
  federation.inject(liar, victim, { kind: 'standing', standing })
  const cards = Array.from({ length: 40 }, () => card)
  const { coordinator } = roster
  federation.inject(liar, victim, { kind: 'roster', roster, coordinator, standings: [], cards })
  const holdings = { filter: new Uint8Array(0), salt: 0, reachMs: 0 }
  const shuffle = { card, random: cards, marks: [], near: [], witnesses: 0, holdings }
  federation.inject(liar, victim, { kind: 'shuffle', ...shuffle })
  const change = { roster, base: 1, standings: [], gone: far }
  federation.inject(liar, victim, { kind: 'roster-change', ...change })
  const expected = many.slice(0, 5).map(() => 'oversized')
  assert.deepEqual(faultsAt(federation, victim), expected)
})
