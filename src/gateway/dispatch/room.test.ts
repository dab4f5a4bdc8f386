/** Where all are busy for a moment, a request waits for room: not for long, and not all of them. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hasCode } from '../../protocol/index.ts'
import { renderDecision } from '../../routing/index.ts'
import { gatewayLimits } from '../limits.ts'
import { clientGone } from './calls.ts'
import { ContinuingWorker, read, type SetUp, setUp } from './continuing-worker.fixture.ts'

const idle = { running: 0, waiting: 0, kvTokensFree: 0, draining: false }
/** An answer of 10 ms per token, of which 64 are asked for; one more than may wait is there. */
const offer = { slots: 1, decodeTokensPerSecond: 100, prefillTokensPerSecond: 1_000 }
const full = { ...idle, running: 1, waiting: 4 }

function busy({ load = full, ...asked }: Partial<SetUp> & { load?: typeof full } = {}) {
  const worker = new ContinuingWorker(1, { offer })
  worker.view.load = load
  return { worker, ...setUp({ workers: [worker], isBusy: true, ...asked }) }
}

test('it waits until somebody has room, and the decision says how long', async () => {
  const { worker, stream, clock, trail, metrics } = busy()
  const asked = trail.decision
  assert.deepEqual([asked.outcome, asked.rounds.length], ['busy', 1])
  const afterMs = asked.retryAfterMs ?? 0
  assert.ok(afterMs > 100 && afterMs < gatewayLimits.roomWaitMs, `${afterMs} ms`)
  const answer = stream()
  await clock.advanceAsync(afterMs - 1)
  assert.equal(worker.requests.length, 0)
  worker.view.load = idle
  await clock.advanceAsync(1)
  assert.equal((await read((await answer).batches)).error, undefined)
  const { attempts, chosen, first, rounds } = trail.decision
  assert.deepEqual([chosen, first?.chosen, rounds.length], [worker.id, null, 2])
  assert.equal(attempts[0]?.cause, 'picked')
  assert.match(
    renderDecision(trail.decision),
    /The request waited [0-9]+ ms: all who can serve it were busy/,
  )
  assert.match(metrics.render(), /isochrone_room_waits_total\{result="served"\} 1\n/)
})

test('it waits no longer than a second, nor than a tenth of what is left', async () => {
  const { worker, stream, clock, trail, metrics } = busy()
  const refused = assert.rejects(stream(), (error) => hasCode(error, 'all_nodes_busy'))
  await clock.advanceAsync(gatewayLimits.roomWaitMs)
  await refused
  assert.equal(worker.requests.length, 0)
  assert.equal(trail.decision.rounds.length, 2, 'not one for each look')
  assert.match(metrics.render(), /isochrone_room_waits_total\{result="none"\} 1\n/)
  assert.match(renderDecision(trail.decision), /The request waited .* Nobody was chosen/s)
  const foreseen = busy({ load: { ...full, waiting: 40 } })
  assert.ok((foreseen.trail.decision.retryAfterMs ?? 0) > gatewayLimits.roomWaitMs)
  await assert.rejects(foreseen.stream(), (error) => hasCode(error, 'all_nodes_busy'))
  const short = busy({ limits: { totalMs: 5_000 } })
  await assert.rejects(short.stream(), (error) => hasCode(error, 'all_nodes_busy'))
  assert.equal(short.trail.decision.rounds.length, 1)
})

test('it waits likewise where the first worker failed before its answer began', async () => {
  const workers = [
    new ContinuingWorker(1, { failsAfter: 0 }),
    new ContinuingWorker(2, { offer }),
  ] as const
  workers[1].view.load = full
  const { stream, clock, trail } = setUp({ workers })
  const answer = stream()
  await clock.advanceAsync(10)
  assert.deepEqual([trail.decision.outcome, trail.decision.attempts.length], ['busy', 1])
  workers[1].view.load = idle
  await clock.advanceAsync(gatewayLimits.roomWaitMs)
  assert.equal((await read((await answer).batches)).error, undefined)
  const { attempts } = trail.decision
  assert.deepEqual(
    attempts.map(({ cause, outcome }) => [cause, outcome]),
    [
      ['picked', 'failed'],
      ['retry', 'completed'],
    ],
  )
})

test('only so many wait; a client that leaves does not', async () => {
  const none = busy({ limits: { roomWaitersMax: 0 } })
  await assert.rejects(none.stream(), (error) => hasCode(error, 'all_nodes_busy'))
  const { worker, stream, clock, departure } = busy({ limits: { roomWaitersMax: 1 } })
  const waiting = assert.rejects(stream(), (error) => hasCode(error, 'client_closed_request'))
  await assert.rejects(stream(), (error) => hasCode(error, 'all_nodes_busy'))
  departure.depart(clientGone())
  worker.view.load = idle
  await clock.advanceAsync(gatewayLimits.roomWaitMs)
  await waiting
  assert.equal(worker.requests.length, 0)
})
