import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ManualClock, seededRandom, silentLog } from '../../base/index.ts'
import { createIdentity, methods, type NodeId } from '../../protocol/index.ts'
import { type Connection, MemoryNetwork, serveCalls } from '../../transport/index.ts'
import { agentLimits } from './limits.ts'
import { Peers } from './peers.ts'

/** A member that dials others, whose dials end when the test says so. */
class Setting {
  readonly clock = new ManualClock()
  readonly network: MemoryNetwork
  readonly heard = new Map<NodeId, number[]>()
  readonly #letThrough: (() => void)[] = []
  readonly peers: Peers

  constructor() {
    const { clock } = this
    this.network = new MemoryNetwork({ clock, random: seededRandom(1) })
    const self = createIdentity().id
    const transport = this.network.transport(self, { onStream: () => {} })
    this.peers = new Peers(agentLimits, {
      self,
      clock,
      random: seededRandom(2),
      log: silentLog,
      addressesOf: (id) => [`${id}:1`],
      transport: {
        dial: async (address, expected, signal): Promise<Connection> => {
          await new Promise<void>((resolve) => this.#letThrough.push(resolve))
          return transport.dial(address, expected, signal)
        },
      },
    })
  }

  async listen(): Promise<NodeId> {
    const { id } = createIdentity()
    const lengths: number[] = []
    this.heard.set(id, lengths)
    const { clock } = this
    const handlers = {
      [methods.mesh]: async (call: { requests(): AsyncIterable<readonly Uint8Array[]> }) => {
        for await (const packets of call.requests()) {
          for (const { length } of packets) lengths.push(length)
        }
      },
    }
    const onStream = serveCalls(handlers, { log: silentLog, clock })
    await this.network.transport(id, { onStream }).listen(`${id}:1`)
    return id
  }

  async connect(): Promise<void> {
    for (const pass of this.#letThrough.splice(0)) pass()
    await this.clock.advanceAsync(100)
  }
}

const sum = (lengths: readonly number[] | undefined) => (lengths ?? []).reduce((a, b) => a + b, 0)

test('what waits for a peer to be dialled is bounded by its bytes', async () => {
  const setting = new Setting()
  const id = await setting.listen()
  for (let i = 0; i < 8; i += 1) setting.peers.send(id, new Uint8Array(30_000))
  setting.peers.send(id, new Uint8Array(100))
  await setting.connect()
  assert.deepEqual(setting.heard.get(id), [30_000, 30_000, 100])
})

test('so is what waits for all of them together, until it is sent', async () => {
  const setting = new Setting()
  const { diallingMax, waitingTotalBytesMax } = agentLimits
  const ids: NodeId[] = []
  for (let i = 0; i < 2 * diallingMax; i += 1) ids.push(await setting.listen())
  const sendAll = () => {
    for (const id of ids) {
      for (let i = 0; i < 2; i += 1) setting.peers.send(id, new Uint8Array(32_000))
    }
  }
  sendAll()
  await setting.connect()
  const first = ids.reduce((total, id) => total + sum(setting.heard.get(id)), 0)
  assert.ok(first <= waitingTotalBytesMax)
  const one = await setting.listen()
  setting.peers.send(one, new Uint8Array(32_000))
  await setting.connect()
  assert.deepEqual(setting.heard.get(one), [32_000])
})
