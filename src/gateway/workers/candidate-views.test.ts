/** What decisions find is kept as it changes, and is what a look at everybody would find. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { ManualClock, seededRandom } from '../../base/index.ts'
import type { UnreadPrompt } from '../../mesh/index.ts'
import {
  type Decision,
  decide,
  piecesOf,
  policyOf,
  readView,
  replayDecision,
  reviveDecision,
} from '../../routing/index.ts'
import { sampleInput, sampleRequest } from '../../routing/samples.fixture.ts'
import { model, policy, SightedGateway } from './foresight.fixture.ts'
import type { RemoteWorker } from './remote-worker.ts'

const step = fc.record({
  kind: fc.constantFrom('begin', 'end', 'report', 'prompt', 'read', 'look', 'join', 'gone', 'fail'),
  at: fc.nat(1_000),
  amount: fc.nat(6),
})

type Step = typeof step extends fc.Arbitrary<infer T> ? T : never

class Scene {
  readonly clock = new ManualClock()
  readonly gateway = new SightedGateway(this.clock)
  readonly nodes: RemoteWorker[] = [this.gateway.join(), this.gateway.join()]
  readonly #prompts: [RemoteWorker, UnreadPrompt | undefined][] = []

  take({ kind, at, amount }: Step): void {
    const { registry } = this.gateway
    const node = this.nodes[at % this.nodes.length] as RemoteWorker
    if (kind === 'begin') registry.begin(node.id)
    if (kind === 'end') registry.end(node.id, amount)
    if (kind === 'report') {
      this.gateway.report(node, { running: amount, promptTokensUnread: amount * 100 })
    }
    if (kind === 'prompt') this.#prompts.push([node, registry.beginPrompt(node.id, amount * 50)])
    if (kind === 'read') {
      const [asked, prompt] = this.#prompts.shift() ?? []
      if (asked !== undefined) registry.endPrompt(asked.id, prompt)
    }
    // Looks come with the time.
    if (kind === 'look') this.clock.advance(250 * (1 + amount))
    if (kind === 'join') this.nodes.push(this.gateway.join())
    if (kind === 'gone') {
      node.disconnected()
      registry.markGone(node)
    }
    if (kind === 'fail') {
      registry.breakers.asked({ worker: node.id, model, retryAfterMs: 1_000 * amount })
    }
  }
}

test('kept step by step, the candidates and their table are those of a look at everybody', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), fc.nat(), (steps, seed) => {
      const scene = new Scene()
      const { registry } = scene.gateway
      // The first decision on a model names it, the next one keeps a view of its own.
      registry.present(model, policy)
      for (const [i, one] of steps.entries()) {
        scene.take(one)
        if (i % 3 === 0) registry.present(model, policy)
      }
      const { candidates, table } = registry.present(model, policy)
      const kept = JSON.stringify(candidates)
      const shared = { policy, now: scene.clock.now() }
      const byTable = decide(
        sampleInput({ ...shared, candidates, table, random: seededRandom(seed) }),
      )
      const all = registry.candidates(model, policy)
      assert.equal(kept, JSON.stringify(all))
      const once = { ...shared, candidates: [...all], random: seededRandom(seed) }
      assert.equal(JSON.stringify(byTable), JSON.stringify(decide(sampleInput(once))))
    }),
    { numRuns: 300 },
  )
})

test('a request looks only at those that changed', () => {
  const { gateway, nodes } = new Scene()
  const { registry } = gateway
  for (let i = 0; i < 50; i += 1) nodes.push(gateway.join())
  registry.present(model, policy)
  registry.present(model, policy)
  let looks = 0
  for (const node of nodes) {
    const describe = node.describe.bind(node)
    node.describe = () => {
      looks += 1
      return describe()
    }
  }
  registry.present(model, policy)
  assert.equal(looks, 0)
  registry.begin(nodes[3]?.id as RemoteWorker['id'])
  assert.equal(registry.present(model, policy).candidates[3]?.inFlight, 1)
  assert.equal(looks, 1)
})

test('who changed is seen, however many others have changed since', () => {
  const { gateway, nodes } = new Scene()
  const { registry } = gateway
  const changed = gateway.join()
  registry.present(model, policy)
  registry.present(model, policy)
  registry.begin(changed.id)
  for (let i = 0; i < 9_000; i += 1) {
    const { id } = nodes[i % 2] as RemoteWorker
    registry.begin(id)
    registry.end(id)
  }
  assert.equal(registry.present(model, policy).candidates[2]?.inFlight, 1)
})

test('another policy puts everybody into its own classes, whoever has changed', () => {
  const { gateway, nodes } = new Scene()
  const { registry } = gateway
  const machine = { cores: 8, memoryBytes: 1e9, gpu: '', gpuMemoryBytes: 0 }
  for (const node of nodes) {
    const hardware = { ...node.record.hardware, ...machine, memoryBandwidthBytesPerSecond: 0 }
    node.renew({ ...node.record, hardware })
    registry.changed(node.id)
  }
  const classes = () => registry.present(model, current).candidates.map((one) => one.hardwareClass)
  let current = policy
  assert.deepEqual([classes(), classes()].at(-1), ['other', 'other'])
  const small = { name: 'small', gpu: [], gpuMemoryBytes: 0, memoryBytes: 0, cores: 4 }
  const { version: _, ...values } = policy
  const hardwareClasses = [{ ...small, memoryBandwidthBytesPerSecond: 0 }]
  current = policyOf('classes', { ...values, hardwareClasses })
  assert.deepEqual(classes(), ['small', 'small'])
  current = policy
  assert.deepEqual(classes(), ['other', 'other'])
})

/** As a store has it. */
class Notes {
  readonly #frames = new Map<string, Buffer>()
  readonly #texts: string[] = []

  keep(decision: Decision): void {
    for (const { frame, at, bytes } of piecesOf(decision.rounds)) {
      const before = this.#frames.get(frame) ?? Buffer.alloc(0)
      assert.equal(before.length, at)
      this.#frames.set(frame, Buffer.concat([before, bytes]))
    }
    this.#texts.push(JSON.stringify(decision))
  }

  /** How many decisions were made again as they were. */
  check(): number {
    for (const text of this.#texts) {
      const replay = replayDecision(reviveDecision(text), (reference) =>
        readView(this.#frames.get(reference.frame) ?? Buffer.alloc(0), reference),
      )
      assert.deepEqual(replay?.differences, [])
    }
    return this.#texts.length
  }
}

test('whatever changes, each decision is made again from what was noted of it', () => {
  let decisions = 0
  fc.assert(
    fc.property(fc.array(step, { minLength: 20, maxLength: 60 }), fc.nat(), (steps, seed) => {
      const scene = new Scene()
      const { registry } = scene.gateway
      const notes = new Notes()
      const random = seededRandom(seed)
      for (const one of steps) {
        scene.take(one)
        if (one.kind === 'gone' && one.amount > 4) {
          // Longer than who is gone is remembered.
          scene.clock.advance(61_000)
          registry.all()
        }
        const withTimes = one.amount % 2 === 0
        const objective = { ttftMs: withTimes ? 2_000 : null, tpotMs: null }
        const { candidates, table, mark } = registry.present(model, policy)
        const view = mark({ policy, software: '1' }, withTimes)
        const request = { ...sampleRequest, model, objective }
        const shared = { policy, now: scene.clock.now(), random, request }
        notes.keep(decide(sampleInput({ ...shared, candidates, table, view })))
      }
      decisions += notes.check()
    }),
    { numRuns: 60 },
  )
  assert.ok(decisions > 500)
})
