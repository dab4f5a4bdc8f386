import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  type ClusterDigest,
  createIdentity,
  encodeLoadMessage,
  type GoneMember,
  type LoadMessage,
  nodeIdOf,
  nodeKeyOf,
} from '../../protocol/index.ts'
import { Conduct } from './conduct.ts'
import { digestTimes, floodLimits, viewLimits } from './limits.ts'
import { loadMessageBytes } from './message-bytes.ts'
import { ed25519Seals } from './seals.ts'
import { cluster, Member, network, Setting, wallMs } from './view-setting.fixture.ts'

test('a member’s anchor and ticks are taken from a digest, acknowledged and passed on', () => {
  const setting = new Setting()
  const { coordinator, member, peer, view } = setting
  const first = setting.tell({ anchors: [coordinator.anchor, member.anchor] })
  assert.deepEqual(
    first.sends.map(({ message, to }) => [message.kind, to]),
    [
      ['ack', coordinator.id],
      ['digest', peer.id],
    ],
  )
  setting.at(2_300)
  setting.tell({ ticks: [member.tick(2, 0x831)] })
  const seen = view.node(member.id, setting.nowMs)
  assert.deepEqual(seen?.load, { running: 1, waiting: 3, kvTokensFree: 200 })
  assert.equal(seen.ageMs, 300)
  assert.deepEqual(setting.caught(), [])
})

test('an acknowledgement says something new, or that the gateway is there', () => {
  const setting = new Setting()
  const { coordinator, member } = setting
  const isAcked = (atMs: number, change: Partial<ClusterDigest>) => {
    setting.at(atMs)
    return setting.tell(change).sends.some(({ message }) => message.kind === 'ack')
  }
  assert.ok(isAcked(0, { anchors: [coordinator.anchor] }))
  assert.ok(!isAcked(500, { ticks: [coordinator.tick(1)] }))
  assert.ok(isAcked(600, { ticks: [member.tick(1)] }))
  assert.ok(isAcked(700, { anchors: [member.anchor] }))
  assert.ok(!isAcked(1_500, { ticks: [member.tick(2)] }))
  assert.ok(isAcked(700 + digestTimes.ackMs, { ticks: [member.tick(3)] }))
  assert.deepEqual(setting.caught(), [])
})

test('an invented node, an altered anchor and an altered load are its coordinator’s lies', () => {
  const invented = new Member(createIdentity())
  const { value } = invented.anchor
  const { coordinator, member } = new Setting()
  const lies: [string, Partial<ClusterDigest>][] = [
    // Signed by the coordinator instead of the node.
    [
      'forged-anchor',
      {
        anchors: [{ ...ed25519Seals(coordinator.identity, network).sealAnchor(value) }],
      },
    ],
    ['forged-tick', { ticks: [{ ...member.tick(3), levels: 0x000 }] }],
    ['forged-tick', { ticks: [{ ...member.tick(3), tick: 4 }] }],
    ['forged-tick', { ticks: [{ ...member.tick(3), tick: 61 }] }],
    ['forged-tick', { ticks: [{ ...member.tick(3), levels: 0x1f01 }] }],
  ]
  for (const [kind, change] of lies) {
    const setting = new Setting()
    Object.assign(setting, { coordinator, member })
    setting.begin()
    setting.at(40_000)
    const outputs = setting.tell(change)
    assert.deepEqual(setting.caught(), [[kind, coordinator.id]])
    assert.equal(setting.view.liesOf(coordinator.id), 1)
    assert.equal(setting.view.lies.get(kind as 'forged-tick'), 1)
    assert.equal(setting.view.size, 2)
    assert.deepEqual(setting.view.node(member.id, 40_000)?.load, member.anchor.value.load)
    const lie = outputs.events.find((event) => event.kind === 'caught')
    // The digest shows to others as well who has signed an anchor that is forged.
    assert.equal(lie?.shown !== undefined, kind === 'forged-anchor')
    // A lie is not passed on.
    assert.ok(outputs.sends.every(({ message }) => message.kind !== 'digest'))
  }
})

test('a digest that its coordinator did not sign is its bringer’s lie', () => {
  const setting = new Setting()
  const { coordinator, member, peer } = setting
  setting.begin()
  const digest = setting.digest({ ticks: [member.tick(1)] })
  const forged = { ...digest, signature: digest.signature.with(0, (digest.signature[0] ?? 0) ^ 1) }
  setting.hear({ kind: 'digest', digest: forged }, peer)
  assert.deepEqual(setting.caught(), [['forged-digest', peer.id]])
  // What is good in the same place is still welcome.
  setting.hear({ kind: 'digest', digest }, peer)
  assert.equal(setting.view.liesOf(coordinator.id), 0)
  assert.equal(setting.view.node(member.id, 1_000)?.ageMs, 1_000)
})

test('a digest of another network is forged', () => {
  const setting = new Setting()
  const { coordinator } = setting
  const elsewhere = ed25519Seals(coordinator.identity, 'elsewhere')
  setting.hear({ kind: 'digest', digest: elsewhere.sealDigest(setting.digest().value) })
  assert.deepEqual(setting.caught(), [['forged-digest', coordinator.id]])
})

test('an old digest again changes nothing; what a member said earlier is its teller’s lie', () => {
  const setting = new Setting()
  const { coordinator, member, view } = setting
  setting.begin()
  setting.at(5_000)
  const old = setting.digest({ ticks: [member.tick(2, 0xf01)] })
  setting.hear({ kind: 'digest', digest: old })
  setting.tell({ ticks: [member.tick(5, 0xf04)] })
  setting.hear({ kind: 'digest', digest: old })
  assert.deepEqual(setting.caught(), [])
  assert.equal(view.node(member.id, 5_000)?.load.running, 4)
  setting.tell({ ticks: [member.tick(3, 0xf00)] })
  assert.deepEqual(setting.caught(), [['replay', coordinator.id]])
  assert.equal(view.node(member.id, 5_000)?.load.running, 4)
  // An anchor is told again where an acknowledgement was lost: no lie.
  setting.tell({ anchors: [member.anchor] })
  assert.equal(setting.caught().length, 1)
})

test('an entry from long ago is not taken, whoever signs the digest around it', () => {
  const setting = new Setting()
  const { coordinator, member } = setting
  setting.tell({ anchors: [coordinator.anchor] })
  assert.equal(setting.view.size, 1)
  setting.events.length = 0
  setting.at(10 * 60_000)
  setting.tell({ anchors: [member.anchor] })
  assert.equal(setting.view.node(member.id, setting.nowMs), undefined)
  const refused = setting.events.filter((event) => event.kind === 'refused')
  assert.deepEqual(
    refused.map(({ why }) => why),
    ['untimely'],
  )
})

/** Digests tell of the coordinator alone; the member speaks past it from the 25th second on. */
function leaveOut(setting: Setting, eachSecond: (second: number) => void = () => {}): number[] {
  const { coordinator, member } = setting
  setting.begin()
  const asked: number[] = []
  for (let second = 1; second <= 58; second += 1) {
    setting.at(second * 1_000)
    setting.tell({ ticks: [coordinator.tick(second)] })
    eachSecond(second)
    if (second < 25) continue
    const anchors = second === 25 ? [member.anchor] : []
    const news = { anchors, ticks: [member.tick(second)], offers: [] }
    const { sends } = setting.hear({ kind: 'news', news }, member.identity)
    const isAsked = sends.some(({ message, to }) => message.kind === 'wants' && to === member.id)
    if (isAsked) asked.push(second)
  }
  return asked
}

test('a coordinator that leaves a member out is caught by the member’s own words', () => {
  const setting = new Setting()
  const { coordinator, member } = setting
  // It is asked to go on speaking.
  assert.deepEqual(leaveOut(setting), [25, 55])
  assert.deepEqual(setting.caught(), [['omission', coordinator.id]])
  assert.equal(setting.view.node(member.id, setting.nowMs)?.state, 'alive')
})

test('a member that is heard again after a partition makes no liar of its coordinator', () => {
  const setting = new Setting()
  const { coordinator, member } = setting
  setting.begin()
  for (let second = 1; second <= 59; second += 1) {
    setting.at(second * 1_000)
    // From the 5th to the 50th second it is beyond reach, of its coordinator as well.
    const isApart = second > 5 && second < 50
    const isHeard = second <= 5 || second > 55
    const ticks = isHeard ? [member.tick(second)] : []
    setting.tell({ ticks: [coordinator.tick(second), ...ticks] })
    if (isApart) continue
    const news = { anchors: [member.anchor], ticks: [member.tick(second)], offers: [] }
    setting.hear({ kind: 'news', news }, member.identity)
  }
  assert.deepEqual(setting.caught(), [])
})

test('while two coordinate, nobody is blamed for a member that neither tells of', () => {
  const setting = new Setting()
  const second = new Member(createIdentity())
  setting.tell({ anchors: [second.anchor] })
  const asked = leaveOut(setting, () => {
    setting.hear({ kind: 'digest', digest: setting.digest({}, second) }, second.identity)
  })
  assert.deepEqual(asked, [25, 55])
  assert.deepEqual(setting.caught(), [])
})

test('a member that nobody leaves out makes no liar of its coordinator', () => {
  const setting = new Setting()
  const { coordinator, member } = setting
  setting.begin()
  for (let second = 1; second <= 59; second += 1) {
    setting.at(second * 1_000)
    setting.tell({ ticks: [coordinator.tick(second), member.tick(second)] })
    const news = { anchors: [member.anchor], ticks: [member.tick(second)], offers: [] }
    if (second % 5 === 0) setting.hear({ kind: 'news', news }, member.identity)
  }
  assert.deepEqual(setting.caught(), [])
})

test('who is called dead and speaks on is alive, and the caller is caught', () => {
  const setting = new Setting()
  const { coordinator, member, peer, view } = setting
  setting.begin()
  const { key, sequence } = member.tick(1)
  const gone = (tick: number): GoneMember[] => [{ key, sequence, tick, state: 'dead' }]
  setting.at(1_000)
  setting.tell({ gone: gone(0) })
  assert.equal(view.node(member.id, 1_000)?.state, 'dead')
  for (let second = 2; second <= 40; second += 1) {
    setting.at(second * 1_000)
    // A partition may just have healed.
    if (second <= 30) assert.deepEqual(setting.caught(), [])
    // Heard through another gateway, as a second coordinator would bring it.
    const news = { anchors: [], ticks: [member.tick(second)], offers: [] }
    setting.hear({ kind: 'news', news }, peer)
    assert.equal(view.node(member.id, setting.nowMs)?.state, 'alive')
    setting.tell({ gone: gone(0) })
    assert.equal(view.node(member.id, setting.nowMs)?.state, 'alive')
  }
  assert.ok(setting.caught().length > 0)
  assert.deepEqual(
    new Set(setting.caught().map(String)),
    new Set([`false-death,${coordinator.id}`]),
  )
})

test('only a member of the cluster is believed about who is dead in it', () => {
  const setting = new Setting()
  const { member, view } = setting
  setting.begin()
  const stranger = new Member(createIdentity(), { cluster: 'cluster-b' })
  const { key, sequence } = member.tick(1)
  const gone: GoneMember[] = [{ key, sequence, tick: 0, state: 'dead' }]
  const digest = setting.digest({ gone }, stranger)
  setting.hear({ kind: 'digest', digest }, stranger.identity)
  assert.equal(view.node(member.id, 0)?.state, 'alive')
})

test('a node of another cluster is misplaced; nobody speaks for others', () => {
  const setting = new Setting()
  const { coordinator, member } = setting
  const elsewhere = new Member(createIdentity(), { cluster: 'cluster-b' })
  setting.tell({ anchors: [elsewhere.anchor] })
  assert.equal(setting.view.size, 0)
  const outsider = createIdentity()
  const news = { anchors: [member.anchor], ticks: [], offers: [] }
  setting.hear({ kind: 'news', news }, outsider)
  setting.hear({ kind: 'digest', digest: setting.digest() }, outsider)
  assert.deepEqual(setting.caught(), [
    ['misplaced', coordinator.id],
    ['not-its-own', outsider.id],
    ['not-its-own', outsider.id],
  ])
})

test('who lies three times is not listened to for a while', () => {
  const setting = new Setting()
  const { coordinator, member, view } = setting
  setting.begin()
  for (let i = 0; i < floodLimits.liesUntilMuted; i += 1) {
    setting.tell({ ticks: [{ ...member.tick(3), levels: 0 }] })
  }
  setting.tell({ ticks: [member.tick(1)] })
  assert.equal(view.node(member.id, 1_000)?.ageMs, 1_000)
  assert.equal(view.liesOf(coordinator.id), 3)
  setting.at(floodLimits.mutedMs + 1)
  setting.tell({ ticks: [member.tick(10)] })
  assert.ok((view.node(member.id, setting.nowMs)?.ageMs ?? 0) < 100)
})

test('a peer that floods is caught once, and costs nothing more', () => {
  const setting = new Setting()
  const { coordinator } = setting
  setting.begin()
  const digest = setting.digest({})
  for (let i = 0; i < 1_000; i += 1) setting.hear({ kind: 'digest', digest })
  assert.deepEqual(setting.caught(), [['flooding', coordinator.id]])
})

test('a peer is remembered for what it sent, also when each node coordinates itself', () => {
  const conduct = new Conduct(viewLimits.peersMax)
  const ids = Array.from({ length: 10_000 }, (_, i) => {
    const bytes = new Uint8Array(32)
    new DataView(bytes.buffer).setUint32(0, i)
    return nodeIdOf(bytes)
  })
  for (let i = 0; i < floodLimits.messagesBurst; i += 1) {
    for (const id of ids) assert.equal(conduct.hear(id, false, 0), 'heard')
  }
  const [id] = ids
  assert.ok(id !== undefined)
  assert.equal(conduct.hear(id, false, 0), 'flooding')
  assert.equal(conduct.hear(id, false, 0), 'flooding-again')
  assert.equal(conduct.hear(id, false, 1_000 / floodLimits.messagesPerSecond), 'heard')
})

test('one peer cannot fill the view, nor a cluster', () => {
  const setting = new Setting()
  for (let i = 0; i < viewLimits.membersPerClusterMax + 4; i += 1) {
    const { anchor } = new Member(createIdentity())
    setting.at(setting.nowMs + 100)
    setting.tell({ anchors: [anchor] })
  }
  assert.equal(setting.view.size, viewLimits.membersPerClusterMax)
  const refused = setting.events.filter((event) => event.kind === 'refused')
  assert.equal(refused.length, 4)
})

test('what is new of a node is said: that it is there, its record, that it is gone', () => {
  const setting = new Setting()
  const { member } = setting
  setting.tell({ anchors: [member.anchor] })
  const capabilities = new Uint8Array(32).fill(1)
  const renewed = new Member(member.identity, { sequence: 101, capabilities })
  setting.tell({ anchors: [renewed.anchor] })
  setting.at(digestTimes.expireAfterMs + 1)
  setting.events.push(...setting.view.step({ kind: 'tick' }, setting.nowMs).events)
  assert.deepEqual(
    setting.events.map(({ kind }) => kind),
    ['appeared', 'changed', 'changed', 'expired'],
  )
  assert.equal(setting.view.size, 0)
})

test('the sizes that simulations count are those of the encoded messages', () => {
  const setting = new Setting()
  const { coordinator, member } = setting
  const ticks = Array.from({ length: 60 }, (_, i) => member.tick(i + 1))
  const key = nodeKeyOf(member.id)
  const summary = { cluster: '0123456789abcdef', members: 3, anchors: 7, saidAtMs: wallMs }
  const anchors = [coordinator.anchor, member.anchor]
  const messages: LoadMessage[] = [
    { kind: 'digest', digest: setting.digest() },
    { kind: 'digest', digest: setting.digest({ ticks }) },
    { kind: 'digest', digest: setting.digest({ anchors, ticks }) },
    { kind: 'news', news: { anchors: [], ticks: ticks.slice(0, 1), offers: [] } },
    { kind: 'news', news: { anchors, ticks, offers: [{ key, sequence: 1 }] } },
    { kind: 'wants', keys: Array.from({ length: 30 }, () => key) },
    { kind: 'ack', ack: { cluster, sequence: 5, lacks: [key, key] } },
    {
      kind: 'summary',
      summary: { after: '', until: '', clusters: Array.from({ length: 200 }, () => summary) },
    },
  ]
  const wrong: string[] = []
  for (const message of messages) {
    const { length } = encodeLoadMessage(message)
    const counted = loadMessageBytes(message)
    if (Math.abs(counted - length) > 48 + length / 20) {
      wrong.push(`${message.kind}: ${length}, not ${counted}`)
    }
  }
  assert.deepEqual(wrong, [])
})
