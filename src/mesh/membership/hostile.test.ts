/** What one member, or a stranger, can do to the others by what it says. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seededRandom } from '../../base/index.ts'
import { type NodeId, nodeIdOf } from '../../protocol/index.ts'
import { Membership } from './membership.ts'
import type { Message } from './messages.ts'
import { check, MiniNetwork, seal, wideArea } from './mini-network.fixture.ts'
import { lan, wan } from './presets.ts'
import type { Statement } from './statements.ts'
import type { MembershipOutputs } from './step.ts'

const near = [0.2, 2] as const
const stranger = nodeIdOf(seededRandom(99).bytes(32))

function settled(count: number, seed: number): MiniNetwork {
  const network = new MiniNetwork({ seed, count, preset: lan, delayMs: near })
  network.joinAll()
  assert.ok(network.runUntil(() => network.isConverged(), 30_000) < 30_000, `seed ${seed}`)
  network.run(10_000)
  network.log.length = 0
  return network
}

/** What a member answers; nothing of it is sent. */
function answer(
  network: MiniNetwork,
  to: number,
  { from, message }: { readonly from: NodeId; readonly message: Message },
): MembershipOutputs {
  return network.host(to).core.step({ kind: 'message', from, message }, network.nowMs)
}

function accusation(network: MiniNetwork, accuser: number, incarnation?: number): Statement {
  const { core, id: subject } = network.host(2)
  const by = network.host(accuser).id
  const body = { kind: 'suspect', subject, incarnation: incarnation ?? core.incarnation } as const
  return seal({ ...body, accuser: by }, network.nowMs)
}

test('whoever owns many names kills nobody by their verdicts', () => {
  const network = settled(10, 8)
  const { core, id: subject } = network.host(2)
  const { incarnation } = core
  for (let target = 3; target < 10; target += 1) {
    const news = [1, 4, 5, 6, 7, 8].flatMap((index) => {
      if (index === target) return []
      const accuser = network.host(index).id
      return [seal({ kind: 'dead', subject, incarnation, accuser } as const, network.nowMs)]
    })
    network.inject(1, target, { kind: 'gossip', news: news.slice(0, 5) })
  }
  network.run(10_000)
  assert.ok(!network.log.some(({ event }) => event.kind === 'died'))
  assert.ok(core.incarnation > incarnation)
  for (let index = 0; index < 10; index += 1) {
    if (index !== 2) assert.equal(network.stateAt(index, 2), 'alive')
  }
})

test('whose time is made the shortest hears of it at once, and is held for dead by nobody', () => {
  for (const seed of [1, 2]) {
    const network = new MiniNetwork({ seed, count: 64, preset: wan, delayMs: wideArea })
    network.joinAll()
    network.run(20_000)
    network.log.length = 0
    const { core, id: subject } = network.host(2)
    const { incarnation } = core
    const news = [10, 11, 12, 13, 14].map((index) => {
      const accuser = network.host(index).id
      return seal({ kind: 'dead', subject, incarnation, accuser } as const, network.nowMs)
    })
    const from = network.host(10).id
    const { sends } = answer(network, 30, { from, message: { kind: 'gossip', news } })
    assert.deepEqual(sends, [{ to: subject, message: { kind: 'gossip', news: [news[3]] } }])
    network.inject(30, 2, { kind: 'gossip', news: news.slice(3, 4) })
    network.run(10_000)
    assert.ok(!network.log.some(({ event }) => event.kind === 'died'), `seed ${seed}`)
    assert.ok(core.incarnation > incarnation)
  }
})

test('a stranger gets answers and learns nothing of the members', () => {
  const network = settled(6, 1)
  network.inject(1, 3, { kind: 'gossip', news: [accusation(network, 1)] })
  const ids = network.hosts.map(({ id }) => id)
  const asked: Message[] = [
    { kind: 'ping', sequence: 1, news: [] },
    { kind: 'sync', summary: [], news: [] },
    { kind: 'sync-reply', wants: ids, news: [] },
    { kind: 'ping-request', sequence: 2, target: network.host(1).id, news: [] },
  ]
  const answers = asked.flatMap((message) => answer(network, 3, { from: stranger, message }).sends)
  assert.deepEqual(answers, [{ to: stranger, message: { kind: 'ack', sequence: 1, news: [] } }])
  const ping: Message = { kind: 'ping', sequence: 3, news: [] }
  const member = answer(network, 3, { from: network.host(1).id, message: ping })
  assert.ok((member.sends[0]?.message.news.length ?? 0) > 0)
})

test('of a message with something forged the rest is not looked at', () => {
  const network = settled(4, 2)
  const { nowMs } = network
  const subject = network.host(2).id
  const { incarnation } = network.host(2).core
  const liar = network.host(1).id
  const forged = seal({ kind: 'left', subject, incarnation } as const, nowMs, liar)
  const sound = seal({ kind: 'left', subject, incarnation } as const, nowMs)
  const message: Message = { kind: 'gossip', news: [forged, forged, sound] }
  const { events } = answer(network, 0, { from: liar, message })
  assert.deepEqual(events, [{ kind: 'rejected', from: liar, fault: 'forged' }])
  assert.equal(network.stateAt(0, 2), 'alive')
})

test('nobody’s signature is verified who was not admitted', () => {
  let verified = 0
  const random = seededRandom(3)
  const core = new Membership(
    { self: nodeIdOf(random.bytes(32)), incarnation: 1, payload: new Uint8Array(0), preset: lan },
    {
      random,
      sign: (body) => seal(body, 0),
      verify: (statement) => {
        verified += 1
        return check(statement, 0)
      },
      admits: ({ payload }) => payload[0] === 1,
    },
    0,
  )
  const join = (proof: number) => {
    const subject = nodeIdOf(random.bytes(32))
    const payload = Uint8Array.of(proof)
    const alive = seal({ kind: 'alive', subject, incarnation: 1, payload } as const, 0)
    const message: Message = { kind: 'gossip', news: [alive] }
    return core.step({ kind: 'message', from: subject, message }, 0).events
  }
  assert.deepEqual(
    join(0).map(({ kind }) => kind),
    ['rejected'],
  )
  assert.equal(verified, 0)
  assert.deepEqual(
    join(1).map(({ kind }) => kind),
    ['joined'],
  )
  assert.equal(verified, 1)
})

test('who accuses at an incarnation that was refuted is told of the newer one, once', () => {
  const network = settled(5, 4)
  const { core, id } = network.host(2)
  const before = core.incarnation
  network.inject(1, 2, { kind: 'gossip', news: [accusation(network, 1)] })
  network.run(10_000)
  assert.equal(core.incarnation, before + 1)
  const news = [accusation(network, 3, before), accusation(network, 4, before)]
  const message: Message = { kind: 'gossip', news }
  const { sends } = answer(network, 2, { from: network.host(3).id, message })
  assert.equal(sends.length, 1)
  const [own] = sends[0]?.message.news ?? []
  assert.deepEqual([own?.kind, own?.subject, own?.incarnation], ['alive', id, before + 1])
  assert.equal(core.incarnation, before + 1)
  assert.deepEqual(answer(network, 2, { from: stranger, message }).sends, [])
})

test('one accuser alone does not make a member hold itself for slow', () => {
  const network = settled(5, 5)
  const { core } = network.host(2)
  const accuse = (accuser: number) => {
    const message: Message = { kind: 'gossip', news: [accusation(network, accuser)] }
    answer(network, 2, { from: network.host(accuser).id, message })
  }
  for (let i = 0; i < 20; i += 1) accuse(1)
  assert.equal(core.localHealth, 1)
  for (const accuser of [3, 4]) accuse(accuser)
  assert.equal(core.localHealth, 3)
})

test('a ping’s sequence says nothing of the next', () => {
  const network = settled(3, 6)
  const { core } = network.host(0)
  const sequences: number[] = []
  let nowMs = network.nowMs
  for (let tick = 0; tick < 100; tick += 1) {
    const { sends, wakeAtMs } = core.step({ kind: 'tick' }, nowMs)
    nowMs = Math.max(nowMs, wakeAtMs)
    for (const { to, message } of sends) {
      if (message.kind !== 'ping') continue
      const { sequence } = message
      sequences.push(sequence)
      core.step({ kind: 'message', from: to, message: { kind: 'ack', sequence, news: [] } }, nowMs)
    }
  }
  const steps = sequences.slice(1).map((sequence, i) => Math.abs(sequence - (sequences[i] ?? 0)))
  assert.ok(steps.length > 8)
  assert.ok(Math.min(...steps) > 1_000, sequences.join(' '))
})

test('a key in two processes is noticed; an earlier life is not taken for one', () => {
  const network = settled(5, 7)
  const twins = () => network.log.filter(({ event }) => event.kind === 'twin').length
  network.crash(3)
  network.restart(3, 0)
  network.run(20_000)
  assert.equal(twins(), 0)
  const { core, id } = network.host(3)
  for (let i = 0; i < 100; i += 1) {
    const body = { kind: 'alive', subject: id, payload: new Uint8Array(0) } as const
    const other = seal({ ...body, incarnation: core.incarnation + 1 }, network.nowMs)
    network.inject(1, 3, { kind: 'gossip', news: [other] })
  }
  assert.equal(twins(), 5) // after 4, 8, 16, 32 and 64: not a line of the log for each
})
