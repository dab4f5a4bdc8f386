/** A runner that is lost is started again, in more and more peace, and calls fail meanwhile. */
import assert from 'node:assert/strict'
import { syncBuiltinESMExports } from 'node:module'
import { test } from 'node:test'
import threads from 'node:worker_threads'
import { createLog, ManualClock, silentLog } from '../../base/index.ts'
import { IsochroneError } from '../../protocol/index.ts'
import type { ModelRunner } from '../model-runner.ts'
import { noisyScript, ScriptedRunner } from '../onnx-engine.fixture.ts'
import { createOnnxRunner } from './create-runner.ts'
import { referenceModel } from './reference-model.fixture.ts'
import { restartLimits, startRestartingRunner } from './restarting-runner.ts'

const { delayFirstMs, delayMaxMs, steadyMs } = restartLimits
const gone = new IsochroneError('engine_failed', 'gone')

async function setUp() {
  const clock = new ManualClock()
  const lines: string[] = []
  const log = createLog({ level: 'info', clock, write: (line) => lines.push(line) })
  const started: { runner: ScriptedRunner; lose: () => void }[] = []
  /** Changed to make the next starts go otherwise. */
  const next = { make: () => new ScriptedRunner(2, noisyScript) }
  const runner = await startRestartingRunner(
    async (onLost) => {
      const made = next.make()
      started.push({ runner: made, lose: () => onLost(gone) })
      return made
    },
    { clock, log },
  )
  const lose = () => started.at(-1)?.lose()
  return { clock, lines, lose, next, runner, started }
}

test('a lost runner is not ready, and one that was tried takes its place', async () => {
  const { clock, lose, runner, started } = await setUp()
  assert.equal(runner.isReady, true)
  lose()
  assert.equal(runner.isReady, false)
  assert.equal(runner.losses, 1)
  await assert.rejects(runner.prefill(0, [5], 0), { code: 'engine_failed' })
  await assert.rejects(runner.decode([]), { code: 'engine_failed' })
  await clock.advanceAsync(delayFirstMs)
  assert.equal(runner.isReady, true)
  assert.deepEqual(started[1]?.runner.calls, ['prefill 0 1'])
  await runner.prefill(0, [5, 6], 0)
  await runner.close()
  assert.equal(started[1]?.runner.closed, true)
})

test('what cannot be started, or fails its first call, is tried later and later', async () => {
  const { clock, lose, next, runner, started } = await setUp()
  let tries = 0
  next.make = () => {
    tries += 1
    if (tries % 2 === 0) throw new Error('no memory')
    const broken = new ScriptedRunner(2, noisyScript)
    broken.failing = new Error('no memory')
    return broken
  }
  lose()
  let waitedMs = 0
  for (let delayMs: number = delayFirstMs; tries < 9; delayMs = Math.min(2 * delayMs, delayMaxMs)) {
    const before = tries
    await clock.advanceAsync(delayMs - 1)
    assert.equal(tries, before, `after ${waitedMs} ms`)
    await clock.advanceAsync(1)
    assert.equal(tries, before + 1, `after ${waitedMs} ms`)
    waitedMs += delayMs
  }
  assert.ok(started.slice(1).every(({ runner: broken }) => broken.closed))
  assert.equal(runner.isReady, false)
  next.make = () => new ScriptedRunner(2, noisyScript)
  await clock.advanceAsync(delayMaxMs)
  assert.equal(runner.isReady, true)
  assert.equal(runner.losses, 1)
})

test('who is lost soon after a start waits longer, who ran for a while does not', async () => {
  const { clock, lose, runner } = await setUp()
  for (const delayMs of [delayFirstMs, 2 * delayFirstMs, 4 * delayFirstMs]) {
    lose()
    await clock.advanceAsync(delayMs - 1)
    assert.equal(runner.isReady, false)
    await clock.advanceAsync(1)
    assert.equal(runner.isReady, true)
  }
  await clock.advanceAsync(steadyMs)
  lose()
  await clock.advanceAsync(delayFirstMs)
  assert.equal(runner.isReady, true)
  assert.equal(runner.losses, 4)
})

test('a model that is another one than before is not taken', async () => {
  const { clock, lines, lose, next, runner } = await setUp()
  next.make = () => new ScriptedRunner(3, noisyScript)
  lose()
  await clock.advanceAsync(delayFirstMs)
  assert.equal(runner.isReady, false)
  assert.ok(lines.some((line) => line.includes('another one than before')))
})

test('closing ends the tries, and what is being started', async () => {
  const { clock, lose, runner, started } = await setUp()
  lose()
  await runner.close()
  await clock.advanceAsync(delayMaxMs)
  assert.equal(started.length, 1)
  const other = await setUp()
  other.lose()
  other.clock.advance(delayFirstMs)
  await other.runner.close()
  assert.equal(other.started.length, 2)
  assert.equal(other.started[1]?.runner.closed, true)
  assert.equal(other.runner.isReady, false)
})

test('a thread that ended is followed by another, with the same logits', async (t) => {
  const model = await referenceModel(t)
  const made: threads.Worker[] = []
  const real = threads.Worker
  threads.Worker = class extends real {
    constructor(...args: ConstructorParameters<typeof real>) {
      super(...args)
      made.push(this)
    }
  }
  syncBuiltinESMExports()
  t.after(() => {
    threads.Worker = real
    syncBuiltinESMExports()
  })
  const clock = new ManualClock()
  const runner: ModelRunner = await createOnnxRunner(model, {
    ...{ backend: 'cpu', slots: 2, threads: 1, contextTokensMax: 64 },
    ...{ ownThread: true, clock, log: silentLog },
  })
  t.after(() => runner.close())
  const before = [...(await runner.prefill(0, [5, 6, 7], 0))]
  await made[0]?.terminate()
  await until(() => !runner.isReady)
  await assert.rejects(runner.prefill(0, [5], 0), { code: 'engine_failed' })
  clock.advance(delayFirstMs)
  await until(() => runner.isReady)
  assert.equal(made.length, 2)
  assert.deepEqual([...(await runner.prefill(0, [5, 6, 7], 0))], before)
})

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve))
}
