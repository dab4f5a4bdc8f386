/** What the word of other gateways may cost a node: so many small questions, whoever lies. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { ManualClock, seededRandom, silentLog } from '../../base/index.ts'
import type { Standing } from '../../evidence/index.ts'
import {
  type EmbeddingRequest,
  type GenerationRequest,
  type ModelFeature,
  modelDigestOf,
  type NodeId,
  nodeIdOf,
  type OfferedModel,
} from '../../protocol/index.ts'
import { type Accuser, Rechecks, recheckLimits } from './rechecks.ts'

const idOf = (number: number): NodeId => nodeIdOf(new Uint8Array(32).fill(number + 1))
const gateways = [idOf(100), idOf(101)] as const
const digest = modelDigestOf('ab'.repeat(32))
const quarantined: Standing = {
  state: 'quarantined',
  incident: `inc_${'a'.repeat(26)}`,
  words: 'quarantined',
}

function offer(name: string, features: readonly ModelFeature[]): OfferedModel {
  return {
    name,
    digest: name === 'm' ? digest : modelDigestOf('cd'.repeat(32)),
    runtime: 'test',
    quantisation: 'float32',
    contextTokensMax: 4096,
    decodeTokensPerSecond: 100,
    prefillTokensPerSecond: 100,
    slots: 8,
    features,
    promptPrice: 0,
    completionPrice: 0,
  }
}

class Setting {
  readonly clock = new ManualClock()
  readonly asked: { readonly worker: NodeId; readonly atMs: number; readonly request: object }[] =
    []
  readonly standings = new Map<NodeId, Standing>()
  readonly gone = new Set<NodeId>()
  readonly rechecks: Rechecks
  answer: 'right' | 'wrong' | 'nothing' | 'never' = 'right'
  offers: readonly OfferedModel[] = [offer('other', ['chat']), offer('m', ['chat'])]
  inFlight = 0

  constructor() {
    const { clock } = this
    this.rechecks = new Rechecks({
      clock,
      random: seededRandom(1),
      log: silentLog,
      registry: {
        node: (id) => ({ worker: this.#worker(id) }) as never,
        standing: (id) => this.standings.get(id),
        begin: () => {
          this.inFlight += 1
        },
        end: () => {
          this.inFlight -= 1
        },
      },
    })
  }

  #worker(id: NodeId) {
    const note = (request: object) =>
      this.asked.push({ worker: id, atMs: this.clock.monotonic(), request })
    const reply = async () => {
      if (this.answer === 'never') await new Promise(() => {})
      if (this.answer === 'nothing') throw new Error('busy')
      if (this.answer === 'right') return
      this.standings.set(id, quarantined)
      throw new Error('what it signed is wrong')
    }
    return {
      describe: () => ({ connected: !this.gone.has(id), models: this.offers }),
      generate: async function* (request: GenerationRequest) {
        note(request)
        await reply()
        yield []
      },
      embed: async (request: EmbeddingRequest) => {
        note(request)
        await reply()
      },
    }
  }

  async settle(forMs = 0): Promise<void> {
    await this.clock.advanceAsync(forMs)
  }

  count(outcome: 'right' | 'wrong' | 'unknown'): number {
    return this.rechecks.counts().get(outcome) ?? 0
  }
}

test('the model of which it is said is asked, as a client would ask', async () => {
  const setting = new Setting()
  setting.rechecks.ask(idOf(1), digest, 'anybody')
  await setting.settle()
  const request = setting.asked[0]?.request as GenerationRequest
  assert.deepEqual([request.model, request.modelDigest, request.kind], ['m', digest, 'chat'])
  assert.ok((request.maxTokens ?? 0) >= recheckLimits.tokensMin)
  assert.deepEqual([setting.count('right'), setting.inFlight], [1, 0])
  setting.offers = [offer('m', ['completion'])]
  setting.rechecks.ask(idOf(2), null, 'anybody')
  setting.offers = [offer('m', ['embedding'])]
  setting.rechecks.ask(idOf(3), null, 'anybody')
  await setting.settle()
  const kinds = setting.asked.map((one) => (one.request as GenerationRequest).kind)
  assert.deepEqual(kinds, ['chat', 'completion', 'embedding'])
})

test('who answers wrongly here too is seen to; who gives no answer is asked thrice', async () => {
  const setting = new Setting()
  setting.answer = 'wrong'
  setting.rechecks.ask(idOf(1), null, 'anybody')
  await setting.settle()
  assert.equal(setting.count('wrong'), 1)
  setting.answer = 'nothing'
  setting.rechecks.ask(idOf(2), null, 'anybody')
  await setting.settle(3_600_000)
  assert.equal(setting.asked.length, 1 + recheckLimits.triesMax)
  assert.deepEqual([setting.count('unknown'), setting.inFlight], [1, 0])
})

test('who is not connected is asked when it comes', async () => {
  const setting = new Setting()
  setting.gone.add(idOf(1))
  setting.rechecks.ask(idOf(1), null, 'anybody')
  await setting.settle(600_000)
  assert.equal(setting.asked.length, 0)
  setting.gone.delete(idOf(1))
  setting.rechecks.joined(idOf(1))
  await setting.settle()
  assert.equal(setting.asked.length, 1)
})

test('one node is asked once a minute, whoever says it how often', async () => {
  const setting = new Setting()
  for (let i = 0; i < 5; i += 1) {
    setting.rechecks.ask(idOf(1), null, gateways[i % 2] ?? 'anybody')
    await setting.settle(1_000)
  }
  assert.equal(setting.asked.length, 1)
  await setting.settle(recheckLimits.perNodeMs)
  assert.equal(setting.asked.length, 2)
})

test('strangers use up nothing of what gateways have that are relied on', async () => {
  const setting = new Setting()
  for (let i = 0; i < 60; i += 1) setting.rechecks.ask(idOf(i), null, 'anybody')
  await setting.settle()
  assert.equal(setting.asked.length, recheckLimits.perAccuserMax)
  setting.rechecks.ask(idOf(0), null, gateways[0])
  await setting.settle()
  assert.equal(setting.asked.length, recheckLimits.perAccuserMax + 1)
})

test('strangers that name many nodes push out nobody’s word who is relied on', async () => {
  const setting = new Setting()
  const away = idOf(150)
  setting.gone.add(away)
  setting.rechecks.ask(away, null, gateways[0])
  for (let i = 0; i < 2 * recheckLimits.waitingMax; i += 1) {
    const id = new Uint8Array(32).fill(i % 256)
    id[0] = 1 + Math.floor(i / 256)
    setting.rechecks.ask(nodeIdOf(id), null, 'anybody')
  }
  setting.gone.delete(away)
  setting.rechecks.joined(away)
  await setting.settle(1_000)
  assert.ok(setting.asked.some(({ worker }) => worker === away))
  setting.rechecks.stop()
})

test('nodes that never answer strangers’ questions leave room for others', async () => {
  const setting = new Setting()
  setting.answer = 'never'
  for (let i = 0; i < 12; i += 1) setting.rechecks.ask(idOf(i), null, 'anybody')
  await setting.settle()
  assert.equal(setting.asked.length, recheckLimits.runningForAnybodyMax)
  for (let i = 20; i < 24; i += 1) setting.rechecks.ask(idOf(i), null, gateways[0])
  await setting.settle()
  assert.equal(setting.asked.length, recheckLimits.runningMax)
  setting.rechecks.stop()
})

test('only so many at once; the rest have their turn', async () => {
  const setting = new Setting()
  setting.answer = 'never'
  for (let i = 0; i < 12; i += 1) setting.rechecks.ask(idOf(i), null, gateways[0])
  await setting.settle()
  assert.equal(setting.asked.length, recheckLimits.runningMax)
  setting.rechecks.stop()
})

test('whatever is said, questions are bounded for each node and for each accuser', async () => {
  const saying = fc.record({
    worker: fc.nat(5),
    accuser: fc.constantFrom<Accuser>('anybody', ...gateways),
    waitMs: fc.constantFrom(0, 0, 1_000, 30_000),
  })
  await fc.assert(
    fc.asyncProperty(fc.array(saying, { maxLength: 80, size: 'max' }), async (sayings) => {
      const setting = new Setting()
      const beganAtMs = setting.clock.monotonic()
      for (const { accuser, waitMs, worker } of sayings) {
        setting.rechecks.ask(idOf(worker), null, accuser)
        await setting.settle(waitMs)
      }
      await setting.settle(60_000)
      const minutes = (setting.clock.monotonic() - beganAtMs) / recheckLimits.perNodeMs
      for (let worker = 0; worker < 6; worker += 1) {
        const count = setting.asked.filter((one) => one.worker === idOf(worker)).length
        assert.ok(count <= 2 * (1 + minutes), `${count} in ${minutes} minutes`)
      }
      assert.ok(setting.asked.length <= 3 * recheckLimits.perAccuserMax * (1 + minutes))
    }),
    { numRuns: 25 },
  )
})
