import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seededRandom } from '../../base/index.ts'
import { type NodeId, nodeIdOf } from '../../protocol/index.ts'
import { CheapSeal } from '../../simulation/index.ts'
import { machineSeals } from '../../simulation/mesh/claim-seals.ts'
import { origin } from '../coordinates/coordinate.ts'
import { wan } from '../membership/presets.ts'
import { type MachineInput, type MachineSend, MeshMachine } from './machine.ts'

const random = seededRandom(3)
const ids = Array.from({ length: 3 }, () => nodeIdOf(random.bytes(32)))
const seal = new CheapSeal(ids)

/** Machines whose messages arrive at once. */
class Room {
  nowMs = 0
  readonly machines = new Map<NodeId, { machine: MeshMachine; wakeAtMs: number }>()

  constructor() {
    for (const [index, self] of ids.entries()) {
      const seals = machineSeals(seal, self, () => 1_700_000_000_000 + this.nowMs)
      const modules = {
        random: seededRandom(index),
        seals,
        contact: () => new Uint8Array(8),
        coordinate: () => origin,
      }
      const machine = new MeshMachine({ self, preset: wan }, modules, 0)
      this.machines.set(self, { machine, wakeAtMs: 0 })
    }
    for (const self of ids) this.step(self, { kind: 'seeds', seeds: [ids[0] as NodeId] })
  }

  step(self: NodeId, input: MachineInput): readonly MachineSend[] {
    const one = this.machines.get(self)
    assert.ok(one !== undefined)
    const { sends, wakeAtMs } = one.machine.step(input, this.nowMs)
    one.wakeAtMs = wakeAtMs
    for (const { to, part } of sends) {
      if (this.machines.has(to)) this.step(to, { kind: 'part', from: self, part })
    }
    return sends
  }

  run(forMs: number): void {
    for (const untilMs = this.nowMs + forMs; this.nowMs < untilMs; ) {
      this.nowMs += 50
      for (const [self, { wakeAtMs }] of this.machines) {
        if (wakeAtMs <= this.nowMs) this.step(self, { kind: 'tick' })
      }
    }
  }
}

test('who has left a cluster says so to whoever still looks for it there', () => {
  const room = new Room()
  const before = new Map(
    ids.map((id) => [id, room.machines.get(id)?.machine.neighbourhood.place.cluster]),
  )
  room.run(90_000)
  const clusterOf = (id: NodeId) => room.machines.get(id)?.machine.neighbourhood.place.cluster
  const moved = ids.find((id) => clusterOf(id) !== before.get(id))
  assert.ok(moved !== undefined, 'they found each other')
  const asker = ids.find((id) => id !== moved) as NodeId
  const asked = (cluster: string) => {
    const message = { kind: 'ping', sequence: 1, news: [] } as const
    const part = { kind: 'membership', cluster, message } as const
    // What else falls due just then is of no interest.
    const sends = room.step(moved, { kind: 'part', from: asker, part })
    return sends.filter((send) => send.part.kind === 'membership')
  }
  const [farewell, ...more] = asked(before.get(moved) ?? '')
  assert.deepEqual(more, [])
  assert.equal(farewell?.to, asker)
  assert.ok(farewell.part.kind === 'membership')
  assert.deepEqual(
    farewell.part.message.news.map(({ kind, subject }) => [kind, subject]),
    [['left', moved]],
  )
  assert.deepEqual(asked('another'), [])
  const sync = { kind: 'sync', summary: [], news: [] } as const
  const part = { kind: 'membership', cluster: before.get(moved) ?? '', message: sync } as const
  const [answer] = room.step(moved, { kind: 'part', from: asker, part })
  assert.deepEqual(answer?.part, farewell.part)
})
