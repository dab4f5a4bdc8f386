import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { ManualClock } from '../../base/index.ts'
import { noisyScript, run, ScriptedRunner, scriptedEngine, settle } from '../onnx-engine.fixture.ts'
import { chunkTokensMin, fixedCostsPerStall, PrefillPace, promptInTurn } from './prefill-pace.ts'

const limits = {
  prefillChunkTokens: 512,
  aloneMs: 1000,
  stallMs: 200,
  slowStallMs: 2000,
  stallTokensMax: 4096,
}

const at = (unread: number, position = 0) => ({ position, unread })
const took = (tokens: number, ms: number, position = 0) => ({ position, tokens, ms })

test('with nobody running, runs are as large as allowed, and last a second at most', () => {
  const pace = new PrefillPace(limits)
  assert.equal(pace.tokensNow(at(2000), false), 64)
  pace.read(took(64, 64), false)
  assert.equal(pace.tokensNow(at(1936), false), 512)
  assert.equal(pace.tokensNow(at(3), false), 3)
  pace.read(took(512, 512 * 21), false)
  assert.equal(pace.tokensNow(at(1424), false), Math.floor(1000 / 7))
  pace.read(took(142, 142 * 1000), false)
  assert.equal(pace.tokensNow(at(1282), false), chunkTokensMin)
})

test('running answers wait no longer than the stall allows, whatever a token costs', () => {
  fc.assert(
    fc.property(
      fc.double({ min: 0.01, max: 6, noNaN: true }),
      fc.array(fc.integer({ min: 1, max: 3000 }), { minLength: 1, maxLength: 20 }),
      (msPerToken, prompts) => {
        const pace = new PrefillPace(limits)
        pace.read(took(64, 64 * msPerToken), false)
        let stalledMs = 0
        for (let unread of prompts) {
          while (unread > 0) {
            const tokens = pace.tokensNow(at(unread), true)
            if (tokens === 0) {
              assert.ok(stalledMs > 0, 'a prompt always gets on')
              assert.ok(stalledMs <= limits.stallMs + 0.001)
              pace.stepped(1, 1)
              stalledMs = 0
            } else {
              pace.read(took(tokens, tokens * msPerToken), true)
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
  pace.read(took(64, 64_000), false)
  assert.equal(pace.tokensNow(at(1000), true), chunkTokensMin)
  pace.read(took(chunkTokensMin, 32_000), true)
  assert.equal(pace.tokensNow(at(1000), true), 0)
  pace.stepped(900, 1)
  assert.equal(pace.tokensNow(at(1000), true), chunkTokensMin)
})

test('on a clock that says that nothing takes time, a stall is bounded by its tokens', () => {
  const pace = new PrefillPace(limits)
  pace.read(took(64, 0), false)
  for (let step = 0; step < 3; step += 1) {
    pace.stepped(0, 1)
    let stalledTokens = 0
    for (;;) {
      const tokens = pace.tokensNow(at(100_000), true)
      if (tokens === 0) break
      pace.read(took(tokens, 0), true)
      stalledTokens += tokens
    }
    assert.equal(stalledTokens, limits.stallTokensMax)
  }
})

test('where a step itself takes longer than the stall, prompts get as long', () => {
  const pace = new PrefillPace(limits)
  pace.read(took(64, 640), false)
  assert.equal(pace.tokensNow(at(1000), true), chunkTokensMin)
  pace.stepped(900, 85)
  assert.equal(pace.tokensNow(at(1000), true), 90)
})

/** A machine on which a run costs `fixedMs` before its first token, then `msPerToken`. */
interface Machine {
  readonly fixedMs: number
  readonly msPerToken: number
}

/** Reads prompts between steps of `answers` answers; what a stall lasted at most, and all of it. */
function readAll(machine: Machine, answers: number, prompts: readonly number[]) {
  const { fixedMs, msPerToken } = machine
  const pace = new PrefillPace(limits)
  const stepMs = fixedMs + answers * msPerToken
  let stallMs = 0
  const result = { stallMostMs: 0, readMs: 0, steps: 2, longestRun: 0 }
  pace.read(took(64, fixedMs + 64 * msPerToken), false)
  for (let i = 0; i < result.steps; i += 1) pace.stepped(stepMs, answers)
  for (let unread of prompts) {
    while (unread > 0) {
      const tokens = pace.tokensNow(at(unread), true)
      if (tokens === 0) {
        assert.ok(stallMs > 0, 'a prompt always gets on')
        pace.stepped(stepMs, answers)
        result.steps += 1
        stallMs = 0
        continue
      }
      const ms = fixedMs + tokens * msPerToken
      pace.read(took(tokens, ms), true)
      stallMs += ms
      result.readMs += ms
      result.stallMostMs = Math.max(result.stallMostMs, stallMs)
      result.longestRun = Math.max(result.longestRun, ms)
      unread -= tokens
    }
  }
  return { ...result, stepMs }
}

const milliseconds = (min: number, max: number) => fc.double({ min, max, noNaN: true })
const prompts = fc.array(fc.integer({ min: 1, max: 3000 }), { minLength: 1, maxLength: 20 })

test('whatever runs and tokens cost, a stall has its bound or is one least run', () => {
  fc.assert(
    fc.property(milliseconds(0, 3000), milliseconds(0.01, 60), prompts, (fixedMs, token, read) => {
      const { stallMostMs, stepMs } = readAll({ fixedMs, msPerToken: token }, 3, read)
      const leastRunMs = fixedMs + chunkTokensMin * token
      const bound = Math.max(limits.slowStallMs, stepMs, leastRunMs)
      // Estimates come from runs of other lengths: each may miss its share of the fixed cost once.
      assert.ok(stallMostMs <= bound + fixedMs + 0.001, `${stallMostMs} ms, not ${bound}`)
    }),
  )
})

test('where runs are cheap, a stall is as short as ever', () => {
  const { stallMostMs } = readAll({ fixedMs: 15, msPerToken: 1 }, 8, [512, 512, 512])
  assert.ok(stallMostMs <= limits.stallMs + 15, `${stallMostMs} ms`)
})

test('where a run costs much before its first token, prompts are read in few large ones', () => {
  // Half a dozen answers beside eight prompts, with four bits per weight in WebAssembly.
  const machine = { fixedMs: 220, msPerToken: 10 }
  const tokens = 8 * 512
  const { readMs, steps, stallMostMs } = readAll(machine, 6, new Array(8).fill(512))
  assert.ok(readMs < 1.2 * tokens * machine.msPerToken, `${readMs} ms`)
  assert.ok(steps < 32, `${steps} steps`)
  assert.ok(stallMostMs < limits.slowStallMs + 220, `${stallMostMs} ms`)
})

test('one slow step does not make the stall longer, two do', () => {
  const pace = new PrefillPace(limits)
  pace.read(took(512, 512), false)
  pace.stepped(10, 1)
  pace.stepped(101, 1)
  assert.equal(pace.tokensNow(at(1000), true), 200)
  pace.stepped(41, 1)
  assert.equal(pace.tokensNow(at(1000), true), fixedCostsPerStall * 40)
  pace.stepped(31, 1)
  assert.equal(pace.tokensNow(at(1000), true), fixedCostsPerStall * 30)
})

test('where runs are dear, those with nobody running are not smaller than those in a stall', () => {
  const pace = new PrefillPace(limits)
  pace.read(took(64, 64 * 10), false)
  for (let i = 0; i < 2; i += 1) pace.stepped(230, 1)
  assert.equal(pace.tokensNow(at(1000), true), 200)
  assert.equal(pace.tokensNow(at(1000), false), 200)
})

test('a rest of a stall that is short beside the cost of a run is left to the answers', () => {
  const pace = new PrefillPace(limits)
  pace.read(took(512, 512), false)
  for (let i = 0; i < 2; i += 1) pace.stepped(31, 1)
  pace.read(took(200, 200), true)
  assert.equal(pace.tokensNow(at(1000), true), 0)
  assert.equal(pace.tokensNow(at(60), true), 60)
})

test('deep in a prompt, where tokens cost more, runs are shorter', () => {
  const pace = new PrefillPace(limits)
  pace.read(took(64, 64), false)
  pace.read(took(64, 128, 300), false)
  assert.equal(pace.tokensNow(at(1000), true), 200)
  assert.equal(pace.tokensNow(at(1000, 127), true), 200)
  assert.equal(pace.tokensNow(at(1000, 256), true), 100)
  assert.equal(pace.tokensNow(at(1000, 511), true), 100)
  assert.equal(pace.tokensNow(at(1000, 9000), true), 100, 'unknown: as the newest')
})

test('a hiccup of the machine is forgotten', () => {
  const pace = new PrefillPace(limits)
  pace.read(took(100, 100), false)
  pace.read(took(100, 5000), false)
  assert.equal(pace.tokensNow(at(1000), true), chunkTokensMin)
  for (let i = 0; i < 20; i += 1) pace.read(took(chunkTokensMin, chunkTokensMin), false)
  assert.ok(pace.tokensNow(at(1000), true) > 180)
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

/** A runner that takes time by the clock: as a rule, a millisecond per token, five per step. */
class TimedRunner extends ScriptedRunner {
  readonly clock = new ManualClock()
  /** When a step began, and how long after the one before. */
  readonly gapsMs: number[] = []
  #steppedMs = 0
  readonly #machine: Machine

  constructor(slots: number, machine: Machine = { fixedMs: 0, msPerToken: 1 }) {
    super(slots, noisyScript)
    this.#machine = machine
  }

  override async prefill(slot: number, tokenIds: readonly number[], position: number) {
    const logits = await super.prefill(slot, tokenIds, position)
    this.clock.advance(this.#machine.fixedMs + tokenIds.length * this.#machine.msPerToken)
    return logits
  }

  override async decode(steps: Parameters<ScriptedRunner['decode']>[0]) {
    this.gapsMs.push(this.clock.monotonic() - this.#steppedMs)
    const logits = await super.decode(steps)
    this.clock.advance(Math.max(5, this.#machine.fixedMs))
    this.#steppedMs = this.clock.monotonic()
    return logits
  }
}

test('while many prompts are read, a running answer gets a token within the stall', async () => {
  const runner = new TimedRunner(8)
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

test('where each run is dear, a running answer waits longer, up to the bound for it', async () => {
  const runner = new TimedRunner(8, { fixedMs: 220, msPerToken: 10 })
  const engine = scriptedEngine(runner, { clock: runner.clock })
  const first = run(engine, { prompt: new Array(100).fill(9), maxTokens: 60 })
  await settle(5)
  const others = [450, 450, 450, 20].map((length) =>
    run(engine, { prompt: new Array(length).fill(9), maxTokens: 20 }),
  )
  await Promise.all([first, ...others])
  const [, ...later] = runner.gapsMs
  assert.ok(Math.max(...later) <= limits.slowStallMs + 220, `${Math.max(...later)} ms`)
  assert.ok(Math.max(...later) > limits.slowStallMs / 2, 'and the time is used')
  const runs = runner.calls.filter((call) => call.startsWith('prefill')).length
  assert.ok(runs <= 20, `${runs} runs`)
})

test('a short prompt that arrives behind a long one is answered first', async () => {
  const runner = new TimedRunner(4)
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
