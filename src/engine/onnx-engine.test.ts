import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { ManualClock } from '../base/index.ts'
import {
  type ErrorCode,
  type GenerationRequest,
  hasCode,
  type Sampling,
} from '../protocol/index.ts'
import {
  collect,
  endTokenId,
  greedy,
  noisyScript,
  requestOf,
  run,
  ScriptedRunner,
  saying,
  scriptedEngine,
  settle,
  summarise,
  tinyTokenizer,
} from './onnx-engine.fixture.ts'

const nothingToDo = (kvTokensFree: number) => ({
  running: 0,
  waiting: 0,
  kvTokensFree,
  promptTokensUnread: 0,
})
const withCode = (code: ErrorCode) => (error: unknown) => hasCode(error, code)

test('an answer ends at the end token, with its tokens, reason and usage', async () => {
  const engine = scriptedEngine(new ScriptedRunner(2, saying('The capital of Peru is Lima.', 3)))
  const answer = await run(engine)
  assert.deepEqual(answer.texts, ['The capital of Peru is Lima.'])
  assert.deepEqual(answer.reasons, ['stop'])
  const ids = tinyTokenizer.encode('The capital of Peru is Lima.', { special: false })
  assert.deepEqual(answer.tokenIds, [[...ids, endTokenId]])
  assert.deepEqual(answer.usage, { promptTokens: 3, completionTokens: ids.length + 1 })
  assert.equal(answer.events.at(-1)?.type, 'usage')
  assert.deepEqual(engine.load(), nothingToDo(1024))
})

test('an answer ends at the token limit, also at none and at the context’s end', async () => {
  const engine = scriptedEngine(new ScriptedRunner(1, saying('one two three four five', 3)))
  const two = await run(engine, { maxTokens: 2 })
  assert.deepEqual([two.reasons, two.usage?.completionTokens], [['length'], 2])
  const none = await run(engine, { maxTokens: 0, prompt: 'Lima', echo: true })
  assert.deepEqual(
    [none.texts, none.reasons, none.usage?.completionTokens],
    [['Lima'], ['length'], 0],
  )
  const endless = scriptedEngine(
    new ScriptedRunner(1, (_, row) => {
      row[300] = 1
    }),
  )
  const full = await run(endless)
  assert.deepEqual([full.reasons, full.usage?.completionTokens], [['length'], 509])
})

test('a stop string over token borders ends the answer, and nothing of it is shown', async () => {
  const text = 'Lima is the capital. And more.'
  for (let from = 0; from < text.length; from += 1) {
    const stop = text.slice(from, from + 9)
    const engine = scriptedEngine(new ScriptedRunner(1, saying(text, 3)))
    const answer = await run(engine, { stop: [stop], topLogprobs: 0 })
    const wanted = text.slice(0, text.indexOf(stop))
    assert.deepEqual(answer.texts, [wanted])
    assert.deepEqual(answer.reasons, ['stop'])
    const shown = answer.events.flatMap((event) => (event.type === 'delta' ? event.logprobs : []))
    const tokens = shown.map(({ token }) => token).join('')
    assert.ok(tokens.startsWith(wanted) && !tokens.slice(0, -1).includes(stop))
  }
})

test('log-probabilities come with the text of their tokens', async () => {
  const engine = scriptedEngine(new ScriptedRunner(1, saying('Grüße 🦙!', 3)))
  const answer = await run(engine, { topLogprobs: 2 })
  const entries = answer.events.flatMap((event) => (event.type === 'delta' ? event.logprobs : []))
  assert.equal(entries.length, (answer.tokenIds[0]?.length ?? 0) - 1)
  assert.equal(Buffer.from(entries.flatMap(({ bytes }) => bytes)).toString(), 'Grüße 🦙!')
  for (const { logprob, top } of entries) {
    assert.equal(top.length, 2)
    assert.equal(top[0]?.logprob, logprob)
    assert.ok(logprob < 0 && (top[1]?.logprob ?? 0) < logprob)
  }
})

const samplings: Partial<Sampling>[] = [
  { temperature: 0 },
  { temperature: 0.8, seed: 3 },
  { temperature: 1, topP: 0.9, seed: 4 },
  { temperature: 1, topK: 20, frequencyPenalty: 0.5, seed: 2 ** 50 },
]

test('whatever is batched beside it, a request gets the same answer', async () => {
  const requestArbitrary = fc.record({
    prompt: fc.array(fc.integer({ min: 6, max: 3000 }), { minLength: 1, maxLength: 90 }),
    maxTokens: fc.integer({ min: 1, max: 12 }),
    choices: fc.integer({ min: 1, max: 3 }),
    sampling: fc.constantFrom(...samplings).map((changes) => ({ ...greedy, ...changes })),
  })
  await fc.assert(
    fc.asyncProperty(
      fc.array(requestArbitrary, { minLength: 1, maxLength: 6 }),
      fc.integer({ min: 1, max: 5 }),
      fc.integer({ min: 1, max: 40 }),
      async (requests, slots, prefillChunkTokens) => {
        const limits = { prefillChunkTokens, stallTokensMax: prefillChunkTokens }
        const crowded = scriptedEngine(new ScriptedRunner(slots, noisyScript), { limits })
        const together = await Promise.all(requests.map((request) => run(crowded, request)))
        for (const [i, request] of requests.entries()) {
          const alone = await run(scriptedEngine(new ScriptedRunner(1, noisyScript)), request)
          assert.deepEqual(together[i]?.tokenIds, alone.tokenIds)
          assert.deepEqual(together[i]?.texts, alone.texts)
          assert.deepEqual(together[i]?.usage, alone.usage)
        }
        await crowded.close()
      },
    ),
    { numRuns: 25 },
  )
})

test('answer i of several is the answer with seed + i', async () => {
  const engine = scriptedEngine(new ScriptedRunner(2, noisyScript))
  const sampling = { ...greedy, temperature: 1, seed: 40 }
  const three = await run(engine, { choices: 3, maxTokens: 6, sampling })
  for (const choice of [0, 1, 2]) {
    const one = await run(engine, { maxTokens: 6, sampling: { ...sampling, seed: 40 + choice } })
    assert.deepEqual(three.tokenIds[choice], one.tokenIds[0])
  }
  assert.deepEqual(three.usage, { promptTokens: 3, completionTokens: 18 })
})

test('a continuation from the tokens so far goes on as the first answer would have', async () => {
  const engine = scriptedEngine(new ScriptedRunner(1, noisyScript))
  const sampling = { ...greedy, temperature: 1, seed: 9 }
  const whole = (await run(engine, { maxTokens: 10, sampling })).tokenIds[0] ?? []
  const prompt = [10, 11, 12, ...whole.slice(0, 4)]
  const rest = await run(engine, { maxTokens: 6, sampling, prompt })
  assert.deepEqual(rest.tokenIds[0], whole.slice(4))
})

test('running answers go on while a long prompt is read', async () => {
  const runner = new ScriptedRunner(2, noisyScript)
  const engine = scriptedEngine(runner, { limits: { stallTokensMax: 10 } })
  const first = run(engine, { maxTokens: 30 })
  await settle(5)
  await Promise.all([first, run(engine, { prompt: new Array(100).fill(9), maxTokens: 1 })])
  const chunks = runner.calls.flatMap((call, i) => (call.endsWith(' 10') ? [i] : []))
  assert.equal(chunks.length, 10)
  for (const i of chunks) assert.match(runner.calls[i + 1] ?? '', /^decode/)
})

test('an abort stops at the next step, and the others go on', async () => {
  const runner = new ScriptedRunner(2, noisyScript)
  const engine = scriptedEngine(runner)
  const abort = new AbortController()
  const left = collect(engine.generate(requestOf({ maxTokens: 400 }), abort.signal))
  const other = run(engine, { maxTokens: 40 })
  await settle(5)
  abort.abort()
  await assert.rejects(left, withCode('cancelled'))
  assert.equal((await other).usage?.completionTokens, 40)
  await settle(3)
  assert.deepEqual(engine.load(), nothingToDo(1024))
  assert.ok(runner.calls.filter((call) => call === 'decode 2').length < 20)
  await assert.rejects(collect(engine.generate(requestOf(), abort.signal)), withCode('cancelled'))
})

test('an abort while waiting leaves the line', async () => {
  const engine = scriptedEngine(new ScriptedRunner(1, noisyScript))
  const first = run(engine, { maxTokens: 30 })
  const abort = new AbortController()
  const waiting = collect(engine.generate(requestOf(), abort.signal))
  await settle(2)
  assert.equal(engine.load().waiting, 1)
  abort.abort()
  await assert.rejects(waiting, withCode('cancelled'))
  await first
  assert.equal(engine.load().waiting, 0)
})

test('a reader that leaves its loop frees the slot', async () => {
  const engine = scriptedEngine(new ScriptedRunner(1, noisyScript))
  for await (const _ of engine.generate(requestOf(), new AbortController().signal)) break
  await settle(3)
  assert.equal(engine.load().running, 0)
})

test('a slow reader is parked, holds up nobody, and gets everything in the end', async () => {
  const runner = new ScriptedRunner(2, noisyScript)
  const engine = scriptedEngine(runner, { limits: { eventsMax: 4 } })
  const slow = engine.generate(requestOf({ maxTokens: 50 }), new AbortController().signal)
  const reader = slow[Symbol.asyncIterator]()
  const events = [...((await reader.next()).value ?? [])]
  assert.equal((await run(engine, { maxTokens: 100 })).usage?.completionTokens, 100)
  const steps = runner.calls.length
  await settle()
  assert.equal(runner.calls.length, steps, 'nothing is computed for nobody')
  for (;;) {
    const { value, done } = await reader.next()
    if (done) break
    assert.ok(value.length <= 8)
    events.push(...value)
  }
  const alone = await run(scriptedEngine(new ScriptedRunner(1, noisyScript)), { maxTokens: 50 })
  assert.deepEqual(summarise(events).tokenIds, alone.tokenIds)
})

test('a reader that stalls loses its slot after the limit', async () => {
  const clock = new ManualClock()
  const limits = { eventsMax: 2, stalledMs: 1000 }
  const engine = scriptedEngine(new ScriptedRunner(1, noisyScript), { limits, clock })
  const stream = engine.generate(requestOf(), new AbortController().signal)[Symbol.asyncIterator]()
  await stream.next()
  await settle()
  assert.equal(engine.load().running, 1)
  await clock.advanceAsync(1001)
  await settle(3)
  assert.equal(engine.load().running, 0)
  await stream.next()
  await assert.rejects(stream.next(), withCode('cancelled'))
})

test('a full line refuses, and more answers than can ever run are an invalid request', async () => {
  const limits = { waitingMax: 2 }
  const engine = scriptedEngine(new ScriptedRunner(1, noisyScript), { limits })
  const running = [1, 2, 3].map(() => run(engine, { maxTokens: 5 }))
  await assert.rejects(run(engine), withCode('all_nodes_busy'))
  await assert.rejects(run(engine, { choices: 4 }), withCode('invalid_request'))
  await Promise.all(running)
  assert.equal((await run(engine, { maxTokens: 1, choices: 3 })).reasons.length, 3)
})

test('a failing runner fails what runs, and the engine recovers', async () => {
  const runner = new ScriptedRunner(2, noisyScript)
  const engine = scriptedEngine(runner)
  const two = [run(engine, { maxTokens: 50 }), run(engine, { maxTokens: 50 })]
  await settle(5)
  runner.failing = new Error('out of memory')
  for (const one of two) await assert.rejects(one, withCode('engine_failed'))
  await assert.rejects(run(engine), withCode('engine_failed'))
  runner.failing = null
  assert.equal((await run(engine, { maxTokens: 3 })).usage?.completionTokens, 3)
  assert.equal(engine.load().running, 0)
})

test('a model whose runner was lost is not offered until it runs again', async () => {
  const runner = new ScriptedRunner(1, noisyScript)
  const engine = scriptedEngine(runner)
  runner.isReady = false
  assert.deepEqual(engine.models(), [])
  assert.deepEqual(engine.load(), nothingToDo(0))
  await assert.rejects(run(engine), withCode('engine_failed'))
  assert.deepEqual(runner.calls, [])
  runner.isReady = true
  assert.equal(engine.models().length, 1)
  assert.equal((await run(engine, { maxTokens: 3 })).usage?.completionTokens, 3)
})

test('what a lost runner held fails, also where its reader was behind', async () => {
  const runner = new ScriptedRunner(2, noisyScript)
  const engine = scriptedEngine(runner, { limits: { eventsMax: 2 } })
  const unread = engine.generate(requestOf({ maxTokens: 50 }), new AbortController().signal)
  const reader = unread[Symbol.asyncIterator]()
  await reader.next()
  // Its reader takes no more: it is not in the next steps.
  await settle()
  runner.losses += 1
  const other = await run(engine, { maxTokens: 3 })
  assert.equal(other.usage?.completionTokens, 3)
  assert.equal(engine.load().running, 0)
  await assert.rejects(collect({ [Symbol.asyncIterator]: () => reader }), withCode('engine_failed'))
})

test('logits that are no numbers fail one answer, not its neighbours', async () => {
  const engine = scriptedEngine(
    new ScriptedRunner(2, (tokens, row) => {
      if (tokens[0] === 77 && tokens.length > 4) row.fill(Number.NaN)
      else noisyScript(tokens, row)
    }),
  )
  const bad = run(engine, { prompt: [77, 8], maxTokens: 20 })
  const good = run(engine, { maxTokens: 20 })
  await assert.rejects(bad, withCode('engine_failed'))
  assert.equal((await good).usage?.completionTokens, 20)
})

test('closing fails what runs and closes the runner once it is idle', async () => {
  const runner = new ScriptedRunner(1, noisyScript)
  const engine = scriptedEngine(runner)
  const running = run(engine)
  const waiting = run(engine)
  const ended = Promise.all([
    assert.rejects(running, withCode('engine_failed')),
    assert.rejects(waiting, withCode('engine_failed')),
  ])
  await settle(3)
  await engine.close()
  await ended
  assert.ok(runner.closed)
  await assert.rejects(run(engine), withCode('engine_failed'))
})

test('what a request asks for and this engine has not is named', async () => {
  const engine = scriptedEngine(new ScriptedRunner(1, noisyScript))
  const cases: [Partial<GenerationRequest>, ErrorCode][] = [
    [{ model: 'other' }, 'model_not_found'],
    [{ tools: [{}] }, 'capability_missing'],
    [{ responseFormat: { type: 'json_object' } }, 'capability_missing'],
    [{ echo: true, topLogprobs: 1 }, 'capability_missing'],
    [{ prompt: [] }, 'invalid_request'],
    [{ prompt: [3072] }, 'invalid_request'],
    [{ prompt: [1.5] }, 'invalid_request'],
    [{ prompt: [-1] }, 'invalid_request'],
    [{ prompt: new Array(513).fill(9) }, 'context_length_exceeded'],
    [{ prompt: new Array(512).fill(9) }, 'context_length_exceeded'],
    [{ maxTokens: 510 }, 'context_length_exceeded'],
    [{ prompt: 'x'.repeat(10_000_000) }, 'context_length_exceeded'],
    [{ stop: [''] }, 'invalid_request'],
    [{ sampling: { ...greedy, logitBias: { '99999': 1 } } }, 'invalid_request'],
  ]
  for (const [changes, code] of cases) await assert.rejects(run(engine, changes), withCode(code))
  await assert.rejects(
    engine.embed(
      { ...requestOf(), kind: 'embedding', input: ['x'], dimensions: null },
      new AbortController().signal,
    ),
    withCode('capability_missing'),
  )
  const features = ['chat', 'completion', 'logprobs', 'seed', 'continuation']
  assert.deepEqual(engine.models()[0]?.features, features)
})
