import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { ManualClock } from '../../base/index.ts'
import { noisyScript, run, ScriptedRunner, scriptedEngine, settle } from '../onnx-engine.fixture.ts'
import { chunkTokensMin, PrefillPace, promptInTurn } from './prefill-pace.ts'

const limits = { prefillChunkTokens: 512, aloneMs: 1000, stallMs: 200, stallTokensMax: 4096 }

test('with nobody running, runs are as large as allowed, and last a second at most', () => {
  const pace = new PrefillPace(limits)
  assert.equal(pace.tokensNow(2000, false), 64)
  pace.read(64, 64, false)
  assert.equal(pace.tokensNow(1936, false), 512)
  assert.equal(pace.tokensNow(3, false), 3)
  pace.read(512, 512 * 21, false)
  assert.equal(pace.tokensNow(1424, false), Math.floor(1000 / 7))
  pace.read(142, 142 * 1000, false)
  assert.equal(pace.tokensNow(1282, false), chunkTokensMin)
})

test('running answers wait no longer than the stall allows, whatever a token costs', () => {
  fc.assert(
    fc.property(
      fc.double({ min: 0.01, max: 6, noNaN: true }),
      fc.array(fc.integer({ min: 1, max: 3000 }), { minLength: 1, maxLength: 20 }),
      (msPerToken, prompts) => {
        const pace = new PrefillPace(limits)
        pace.read(64, 64 * msPerToken, false)
        let stalledMs = 0
        for (let unread of prompts) {
          while (unread > 0) {
            const tokens = pace.tokensNow(unread, true)
            if (tokens === 0) {
              assert.ok(stalledMs > 0, 'a prompt always gets on')
              assert.ok(stalledMs <= limits.stallMs + 0.001)
              pace.stepped(1)
              stalledMs = 0
            } else {
              pace.read(tokens, tokens * msPerToken, true)
              stalledMs += tokens * msPerToken
              unread -= tokens
            }
          }
        }
      },
    ),
  )
})

test('a model whose every token outlasts the stall still reads a small run per step', () => {
  const pace = new PrefillPace(limits)
  pace.read(64, 64_000, false)
  assert.equal(pace.tokensNow(1000, true), chunkTokensMin)
  pace.read(chunkTokensMin, 32_000, true)
  assert.equal(pace.tokensNow(1000, true), 0)
  pace.stepped(900)
  assert.equal(pace.tokensNow(1000, true), chunkTokensMin)
})

test('where a step itself takes longer than the stall, prompts get as long', () => {
  const pace = new PrefillPace(limits)
  pace.read(64, 640, false)
  assert.equal(pace.tokensNow(1000, true), chunkTokensMin)
  pace.stepped(900)
  assert.equal(pace.tokensNow(1000, true), 90)
})

test('a hiccup of the machine is forgotten', () => {
  const pace = new PrefillPace(limits)
  pace.read(100, 100, false)
  pace.read(100, 5000, false)
  assert.equal(pace.tokensNow(1000, true), chunkTokensMin)
  for (let i = 0; i < 20; i += 1) pace.read(chunkTokensMin, chunkTokensMin, false)
  assert.ok(pace.tokensNow(1000, true) > 180)
})

test('short prompts pass long ones, and the oldest always gets half', () => {
  const unread = [900, 30, 30, 5]
  assert.deepEqual(
    [0, 1, 2, 3].map((turn) => promptInTurn(unread, turn)),
    [0, 3, 0, 3],
  )
  assert.equal(promptInTurn([7, 7], 1), 0)
  for (const turn of [0, 1]) assert.equal(promptInTurn([], turn), -1)
})

/** A runner that takes time by the clock: a millisecond per prompt token, five per step. */
class TimedRunner extends ScriptedRunner {
  readonly clock = new ManualClock()
  /** When a step began, and how long after the one before. */
  readonly gapsMs: number[] = []
  #steppedMs = 0

  override async prefill(slot: number, tokenIds: readonly number[], position: number) {
    const logits = await super.prefill(slot, tokenIds, position)
    this.clock.advance(tokenIds.length)
    return logits
  }

  override async decode(steps: Parameters<ScriptedRunner['decode']>[0]) {
    this.gapsMs.push(this.clock.monotonic() - this.#steppedMs)
    const logits = await super.decode(steps)
    this.clock.advance(5)
    this.#steppedMs = this.clock.monotonic()
    return logits
  }
}

test('while many prompts are read, a running answer gets a token within the stall', async () => {
  const runner = new TimedRunner(8, noisyScript)
  const engine = scriptedEngine(runner, { clock: runner.clock })
  const first = run(engine, { prompt: new Array(100).fill(9), maxTokens: 60 })
  await settle(5)
  const others = [450, 450, 450, 20].map((length) =>
    run(engine, { prompt: new Array(length).fill(9), maxTokens: 20 }),
  )
  await Promise.all([first, ...others])
  const [, ...later] = runner.gapsMs
  assert.ok(Math.max(...later) <= limits.stallMs, `${Math.max(...later)} ms`)
  assert.ok(Math.max(...later) > limits.stallMs / 2, 'and the time is used')
})

test('a short prompt that arrives behind a long one is answered first', async () => {
  const runner = new TimedRunner(4, noisyScript)
  const engine = scriptedEngine(runner, { clock: runner.clock })
  const order: string[] = []
  const done = (name: string) => () => order.push(name)
  const running = run(engine, { maxTokens: 100 })
  await settle(5)
  const long = run(engine, { prompt: new Array(500).fill(9), maxTokens: 1 }).then(done('long'))
  const short = run(engine, { prompt: new Array(40).fill(9), maxTokens: 1 }).then(done('short'))
  await Promise.all([running, long, short])
  assert.deepEqual(order, ['short', 'long'])
})
