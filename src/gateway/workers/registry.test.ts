/** Who is known, and who is forgotten. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ManualClock } from '../../base/index.ts'
import { EvidenceBook } from '../../evidence/index.ts'
import { hasCode, nodeIdOf, type WorkerId } from '../../protocol/index.ts'
import { defaultPolicy } from '../../routing/index.ts'
import { WorkerRegistry } from './registry.ts'
import type { Worker } from './worker.ts'

const keptMs = 1000
const idOf = (number: number): WorkerId => nodeIdOf(new Uint8Array(32).fill(number))
const load = { running: 0, waiting: 0, kvTokensFree: 0, draining: false }
const view = { connected: true, models: [], region: '', load, record: null }
const workerOf = (number: number): Worker =>
  ({ id: idOf(number), describe: () => view }) as unknown as Worker

function newRegistry() {
  const clock = new ManualClock()
  const modules = { clock, evidence: new EvidenceBook({ clock }) }
  return {
    clock,
    registry: new WorkerRegistry({ workersMax: 2, disconnectedKeptMs: keptMs }, modules),
  }
}

test('the end of an earlier connection does not make a node that came back be forgotten', () => {
  const { clock, registry } = newRegistry()
  const before = workerOf(1)
  registry.put(before)
  registry.put(workerOf(1))
  registry.markGone(before)
  clock.advance(keptMs + 1)
  assert.equal(registry.all().length, 1)
})

test('who left is forgotten after a while, but not while something is under way there', () => {
  const { clock, registry } = newRegistry()
  const worker = workerOf(1)
  registry.put(worker)
  assert.equal(registry.begin(worker.id), 0)
  registry.markGone(worker)
  clock.advance(keptMs + 1)
  assert.equal(registry.all().length, 1)
  registry.end(worker.id)
  assert.equal(registry.all().length, 0)
})

test('nothing is kept of the breakers of who was forgotten', () => {
  const { clock, registry } = newRegistry()
  const worker = workerOf(1)
  registry.put(worker)
  for (const model of ['a', 'b']) {
    registry.breakers.asked({ worker: worker.id, model, retryAfterMs: 60_000 })
  }
  registry.markGone(worker)
  registry.all()
  assert.equal(registry.breakers.counts().waiting, 2)
  clock.advance(keptMs + 1)
  registry.all()
  assert.equal(registry.breakers.counts().waiting, 0)
  assert.deepEqual([...registry.breakers.workersOf('a')], [])
})

test('a full registry refuses a stranger, not a node that is known', () => {
  const { registry } = newRegistry()
  registry.put(workerOf(1))
  registry.put(workerOf(2))
  registry.put(workerOf(2))
  assert.throws(
    () => registry.put(workerOf(3)),
    (error) => hasCode(error, 'join_refused'),
  )
})

test('candidates are as they are now, also where the same objects are filled again', () => {
  const { registry } = newRegistry()
  const worker = workerOf(1)
  registry.put(worker)
  assert.equal(registry.candidates('m', defaultPolicy)[0]?.inFlight, 0)
  registry.begin(worker.id)
  const [second] = registry.candidates('m', defaultPolicy)
  assert.deepEqual([second?.inFlight, second?.others, second?.verdict], [1, undefined, undefined])
  // One of the same id is another worker, with what is under way there still counted.
  const describe = () => ({ ...view, region: 'elsewhere' })
  registry.put({ ...workerOf(1), describe } as unknown as Worker)
  const [third] = registry.candidates('m', defaultPolicy)
  assert.deepEqual([third?.inFlight, third?.region], [1, 'elsewhere'])
})
