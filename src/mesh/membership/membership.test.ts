import assert from 'node:assert/strict'
import { test } from 'node:test'
import { emptyMeshPacket, encodeMeshPacket } from '../../protocol/index.ts'
import { type Message, messageBytes } from './messages.ts'
import { MiniNetwork, quantile, seal, wideArea } from './mini-network.fixture.ts'
import { lan, wan } from './presets.ts'
import type { Statement } from './statements.ts'
import type { RejectionFault } from './step.ts'

const near = [0.2, 2] as const

function settled(count: number, seed: number): MiniNetwork {
  const network = new MiniNetwork({ seed, count, preset: lan, delayMs: near })
  network.joinAll()
  assert.ok(network.runUntil(() => network.isConverged(), 30_000) < 30_000, `seed ${seed}`)
  network.log.length = 0
  return network
}

function gossip(...news: Statement[]): Message {
  return { kind: 'gossip', news }
}

function faults(network: MiniNetwork): RejectionFault[] {
  return network.log.flatMap(({ event }) => (event.kind === 'rejected' ? [event.fault] : []))
}

test('members who know one of them come to know all', (t) => {
  for (const count of [2, 3, 16, 64]) {
    const tookMs = [1, 2, 3, 4, 5].map((seed) => {
      const network = new MiniNetwork({ seed, count, preset: wan, delayMs: wideArea })
      network.joinAll()
      return network.runUntil(() => network.isConverged(), 40_000)
    })
    t.diagnostic(`${count} members: ${tookMs.join(', ')} ms`)
    // Gossip reaches all mostly, the next push-pull always.
    assert.ok(quantile(tookMs, 0.5) <= 9_000)
    assert.ok(Math.max(...tookMs) <= 25_000)
  }
})

test('a member whose first contact is down joins when it is up', () => {
  const network = new MiniNetwork({ seed: 4, count: 3, preset: lan, delayMs: near })
  network.crash(0)
  network.join(1, [0])
  network.join(2, [0])
  network.run(10_000)
  assert.equal(network.stateAt(1, 2), undefined)
  network.restart(0, 1)
  assert.ok(network.runUntil(() => network.isConverged(), 10_000) <= 10_000)
})

test('a crash is known to all over wide-area links: median 4 s, 99th percentile 8 s', (t) => {
  const delays: number[] = []
  for (let seed = 1; seed <= 8; seed += 1) {
    const network = new MiniNetwork({ seed, count: 64, preset: wan, delayMs: wideArea })
    network.joinAll()
    network.run(20_000)
    for (let crashed = 10; crashed < 15; crashed += 1) {
      const start = network.nowMs
      network.log.length = 0
      network.crash(crashed)
      network.run(20_000)
      const deaths = network.log.filter(({ event }) => event.kind === 'died')
      const known = new Set(deaths.map(({ observer }) => observer))
      const up = network.hosts.filter((host) => host.up).length
      const last = deaths.at(-1)?.atMs ?? Number.POSITIVE_INFINITY
      delays.push(known.size === up ? last - start : Number.POSITIVE_INFINITY)
    }
  }
  const [median, high] = [quantile(delays, 0.5), quantile(delays, 0.99)]
  t.diagnostic(`${delays.length} crashes, ms: median ${median}, 99th percentile ${high}`)
  assert.ok(median <= 4_000)
  assert.ok(high <= 8_000)
})

test('a member that is accused refutes with a higher incarnation and is alive', () => {
  const network = settled(8, 5)
  const { id, core } = network.host(3)
  const { incarnation } = core
  const accuser = network.host(1).id
  const accusation = seal(
    { kind: 'suspect', subject: id, incarnation, accuser } as const,
    network.nowMs,
  )
  network.inject(1, 2, gossip(accusation))
  assert.equal(network.stateAt(2, 3), 'suspect')
  network.run(2_000)
  assert.equal(core.incarnation, incarnation + 1)
  assert.equal(network.stateAt(2, 3), 'alive')
  assert.ok(!network.log.some(({ event }) => event.kind === 'died'))
})

test('others’ verdicts shorten a suspicion and do not end it', () => {
  const network = settled(8, 6)
  const subject = network.host(3).id
  const { incarnation } = network.host(3).core
  network.crash(3)
  for (const index of [1, 1, 4, 5, 6, 7]) {
    const accuser = network.host(index).id
    const verdict = seal({ kind: 'dead', subject, incarnation, accuser } as const, network.nowMs)
    network.inject(1, 2, gossip(verdict))
    assert.equal(network.stateAt(2, 3), 'suspect')
  }
  // alpha · log10(8) · probe interval, and not six times that.
  network.run(1_600)
  assert.equal(network.stateAt(2, 3), 'dead')
})

test('what is forged, accuses itself or names a stranger changes nothing and is counted', () => {
  const network = settled(4, 7)
  const [liar, victim, witness] = [network.host(1).id, network.host(2).id, network.host(3).id]
  const { nowMs } = network
  const { incarnation } = network.host(2).core
  const payload = new Uint8Array(4)
  const forgeries: Statement[] = [
    seal({ kind: 'suspect', subject: victim, incarnation, accuser: witness }, nowMs, liar),
    seal({ kind: 'dead', subject: victim, incarnation, accuser: witness }, nowMs, liar),
    seal({ kind: 'left', subject: victim, incarnation }, nowMs, liar),
    seal({ kind: 'alive', subject: victim, incarnation: incarnation + 1, payload }, nowMs, liar),
  ]
  for (const forgery of forgeries) network.inject(1, 0, gossip(forgery))
  assert.deepEqual(faults(network), ['forged', 'forged', 'forged', 'forged'])
  const own = seal({ kind: 'suspect', subject: liar, incarnation, accuser: liar } as const, nowMs)
  network.inject(1, 0, gossip(own))
  assert.equal(faults(network).at(-1), 'self-accusation')
  const strangers = new MiniNetwork({ seed: 99, count: 1, preset: lan, delayMs: near })
  const accuser = strangers.host(0).id
  const strange = seal({ kind: 'dead', subject: victim, incarnation, accuser } as const, nowMs)
  const ahead = { kind: 'dead', subject: victim, incarnation: incarnation + 5 } as const
  network.inject(1, 0, gossip(strange, seal({ ...ahead, accuser: liar }, nowMs)))
  assert.equal(network.stateAt(0, 2), 'alive')
  assert.equal(network.host(0).core.members().length, 3)
  assert.ok(network.log.every(({ event }) => event.kind === 'rejected'))
})

test('a forged accusation moves nobody to refute', () => {
  const network = settled(4, 8)
  const { id, core } = network.host(2)
  const { incarnation } = core
  const body = { kind: 'suspect', subject: id, incarnation, accuser: network.host(3).id } as const
  network.inject(1, 2, gossip(seal(body, network.nowMs, network.host(1).id)))
  assert.equal(core.incarnation, incarnation)
  assert.deepEqual(faults(network), ['forged'])
})

test('a message beyond its limit is rejected whole', () => {
  const network = settled(3, 9)
  const { nowMs } = network
  const [subject, accuser] = [network.host(2).id, network.host(1).id]
  const { incarnation } = network.host(2).core
  const one = seal({ kind: 'suspect', subject, incarnation, accuser } as const, nowMs)
  network.inject(1, 0, gossip(...Array.from({ length: 20 }, () => one)))
  assert.deepEqual(faults(network), ['oversized-message'])
  assert.equal(network.stateAt(0, 2), 'alive')
})

test('who leaves while most are dead tells those who live', () => {
  for (const seed of [71, 72, 73, 74]) {
    const network = settled(12, seed)
    for (let index = 2; index < 12; index += 1) network.crash(index)
    const areDead = () =>
      [0, 1].every((at) =>
        network.hosts.slice(2).every(({ index }) => network.stateAt(at, index) === 'dead'),
      )
    assert.ok(network.runUntil(areDead, 60_000) < 60_000, `seed ${seed}`)
    network.leave(1)
    network.run(1_000)
    assert.equal(network.stateAt(0, 1), 'left', `seed ${seed}`)
  }
})

test('one who leaves is known to have left, and is not probed for it', () => {
  const network = settled(16, 10)
  network.leave(5)
  network.run(5_000)
  for (let index = 0; index < 16; index += 1) {
    if (index !== 5) assert.equal(network.stateAt(index, 5), 'left')
  }
  const kinds = new Set(network.log.map(({ event }) => event.kind))
  assert.deepEqual([...kinds].sort(), ['departed', 'left'])
})

test('gossip raises no dead; the owner does, with an incarnation above its last', () => {
  const network = settled(6, 11)
  const { id, core } = network.host(4)
  const { incarnation } = core
  const before = network.host(0).core.aliveStatement(id)
  assert.ok(before)
  network.crash(4)
  network.run(15_000)
  assert.equal(network.stateAt(0, 4), 'dead')
  network.inject(1, 0, gossip(before))
  network.inject(1, 0, { kind: 'sync-reply', wants: [], news: [before] })
  network.run(5_000)
  assert.equal(network.stateAt(0, 4), 'dead')
  network.restart(4, 0) // an earlier life's incarnation, which it learns of from the others
  assert.ok(network.runUntil(() => network.isConverged(), 30_000) <= 30_000)
  assert.ok(network.host(4).core.incarnation > incarnation)
})

test('a partition heals within 30 s of the links, and nobody is punished for it', (t) => {
  for (const [count, seed] of [
    [2, 12],
    [9, 13],
    [32, 14],
    [64, 15],
    [64, 16],
  ] as const) {
    const network = new MiniNetwork({ seed, count, preset: wan, delayMs: wideArea })
    network.joinAll()
    network.run(15_000)
    network.partition((index) => index % 2)
    network.run(60_000)
    assert.equal(network.stateAt(0, 1), 'dead')
    network.partition(() => 0)
    const tookMs = network.runUntil(() => network.isConverged(), 60_000)
    t.diagnostic(`${count} members: one view after ${tookMs} ms`)
    assert.ok(tookMs <= 30_000, `seed ${seed}`)
    network.log.length = 0
    network.run(10_000)
    assert.ok(!network.log.some(({ event }) => event.kind === 'died'))
    assert.ok(network.hosts.every(({ core }) => core.localHealth === 0))
  }
})

test('a probe that its target does not answer itself is told, and so is one that it does', () => {
  const network = settled(4, 17)
  network.crash(2)
  network.run(5_000)
  const { id } = network.host(2)
  assert.ok(network.log.some(({ event }) => event.kind === 'unanswered' && event.id === id))
  assert.ok(!network.log.some(({ event }) => event.kind === 'unanswered' && event.id !== id))
})

test('a message is about as long as is reckoned', () => {
  const network = settled(64, 18)
  const { nowMs } = network
  const [subject, accuser] = [network.host(2).id, network.host(1).id]
  const signature = new Uint8Array(64)
  const said = [
    { ...seal({ kind: 'suspect', subject, incarnation: 1, accuser }, nowMs), signature },
    { ...seal({ kind: 'left', subject, incarnation: 1 }, nowMs), signature },
    {
      ...seal({ kind: 'alive', subject, incarnation: 1, payload: new Uint8Array(90) }, nowMs),
      signature,
    },
  ]
  const summary = network.host(0).core.members()
  const messages: Message[] = [
    { kind: 'ping', sequence: 2 ** 31, news: [] },
    { kind: 'gossip', news: said },
    { kind: 'sync', summary, news: said },
    { kind: 'sync-reply', wants: [subject, accuser], news: [...said, ...said, ...said] },
  ]
  for (const message of messages) {
    const coordinate = message.kind === 'ping' ? new Uint8Array(32) : null
    const packet = { ...emptyMeshPacket, membership: [message], coordinate }
    const headerBytes = 96
    const encodedBytes = encodeMeshPacket(packet).length + headerBytes
    assert.ok(encodedBytes <= messageBytes(message) + 64, message.kind)
    assert.ok(encodedBytes >= messageBytes(message) - 64, message.kind)
  }
})

test('the same seed gives the same events', () => {
  const runs = [0, 1].map(() => {
    const network = new MiniNetwork({ seed: 13, count: 12, preset: wan, delayMs: wideArea })
    network.joinAll()
    network.run(10_000)
    network.crash(3)
    network.run(10_000)
    return JSON.stringify(network.log)
  })
  assert.equal(runs[0], runs[1])
})
