/** Who is convicted by two words that do not fit together, and who is not. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  chainSaltBytes,
  createIdentity,
  type LoadTick,
  loadChain,
  nodeKeyLengthBytes,
  writeNodeKey,
} from '../../protocol/index.ts'
import { levelOf } from './load-scale.ts'
import { ed25519Seals } from './seals.ts'
import { Member, network, Setting } from './view-setting.fixture.ts'

test('two levels for one tick convict nobody: the next tick tells both; all keep the same', () => {
  const views = [0, 1].map((order) => {
    const setting = new Setting()
    const { member, peer } = setting
    setting.begin()
    setting.at(1_000)
    // All that its bringer had to know was the honest tick 2.
    const made = earlier(member.tick(2, 0xf06))
    assert.deepEqual(made, member.tick(1, 0xf06))
    const said = [member.tick(1, 0xf01), made]
    if (order === 1) said.reverse()
    for (const tick of said) {
      setting.hear({ kind: 'news', news: { anchors: [], ticks: [tick], offers: [] } }, peer)
    }
    assert.deepEqual(setting.caught(), [])
    return setting.view.node(member.id, 1_000)?.load.running
  })
  assert.deepEqual(views, [8, 8])
})

/** What anybody can make of a tick: the one before it, with the same levels. */
function earlier(tick: LoadTick): LoadTick {
  const proof = tick.proof.slice()
  const salt = new Uint8Array(chainSaltBytes)
  writeNodeKey(tick.key, salt, 0)
  new DataView(salt.buffer).setUint32(nodeKeyLengthBytes, tick.sequence, true)
  for (let figure = 0; figure < loadChain.figures; figure += 1) {
    const chain = figure * loadChain.levels + levelOf(tick.levels, figure)
    const way = { chain, position: tick.tick, places: 1, salt }
    ed25519Seals(createIdentity(), network).walk(proof, figure * loadChain.valueBytes, way)
  }
  return { ...tick, tick: tick.tick - 1, proof }
}

test('a node that signs two anchors with one sequence contradicts itself, and nobody else', () => {
  for (const isFirst of [true, false]) {
    const setting = new Setting()
    const { coordinator, member } = setting
    const other = new Member(member.identity, { slots: 5 }, 2)
    const isSmaller = Buffer.compare(member.anchor.signature, other.anchor.signature) < 0
    // The one that is kept is the larger; its coordinator may have the other.
    const [told, kept] = isSmaller === isFirst ? [member, other] : [other, member]
    setting.tell({ anchors: [coordinator.anchor] })
    const news = { anchors: [kept.anchor], ticks: [], offers: [] }
    setting.hear({ kind: 'news', news }, member.identity)
    setting.at(1_000)
    setting.tell({ anchors: [told.anchor], ticks: [told.tick(1)] })
    setting.at(2_000)
    setting.tell({ ticks: [told.tick(2), coordinator.tick(2)] })
    assert.deepEqual(setting.caught(), [['contradiction', member.id]])
    assert.equal(setting.view.node(coordinator.id, 2_000)?.ageMs, 0)
  }
})
