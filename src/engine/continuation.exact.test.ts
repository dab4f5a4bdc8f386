/** The reference model, cut after every token: what goes on elsewhere is what would have come. */
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { ManualClock, silentLog } from '../base/index.ts'
import { temporaryFolder } from '../models/checkpoint.fixture.ts'
import { importModel, openModel } from '../models/index.ts'
import type { GenerationRequest, TokenLogprobs } from '../protocol/index.ts'
import { continuedAnswer, type Part, partsOf } from './continuation.fixture.ts'
import { createOnnxRunner } from './onnx/create-runner.ts'
import { greedy, run, tinyFolder, tinyTokenizer } from './onnx-engine.fixture.ts'
import { createOnnxEngine } from './onnx-engine.ts'

/** A prompt that is read at once is summed up in another order than one read token by token. */
const logprobErrorMax = 1e-4

const storeDir = await temporaryFolder({ after: (action) => after(action) })
await importModel(tinyFolder, { storeDir })
const stored = await openModel(storeDir, 'isochrone-tiny')

async function engineOf() {
  const runner = await createOnnxRunner(stored, { backend: 'cpu', slots: 4, threads: 1 })
  const models = [{ stored, runner, tokenizer: tinyTokenizer }]
  const engine = createOnnxEngine({ models, clock: new ManualClock(), log: silentLog })
  after(() => engine.close())
  return engine
}

const first = await engineOf()
const second = await engineOf()

const seeded = { ...greedy, temperature: 0.9, topP: 0.95, seed: 41 }
const question = 'What is the capital of Peru?'
const transcripts: Readonly<Record<string, Partial<GenerationRequest>>> = {
  greedy: { kind: 'chat', messages: [{ role: 'user', content: question }], maxTokens: 24 },
  seeded: { prompt: 'It was a dark evening, and the old man', maxTokens: 24, sampling: seeded },
  'with penalties': {
    prompt: 'One, two, three',
    maxTokens: 20,
    sampling: { ...seeded, frequencyPenalty: 0.8, presencePenalty: 0.3, repetitionPenalty: 1.2 },
  },
  'with scores and stop strings': {
    ...{ prompt: 'The river runs', maxTokens: 20, sampling: seeded, topLogprobs: 2 },
    stop: ['and it was never', 'the very last'],
  },
  'in three choices': { prompt: 'Once upon a time', maxTokens: 8, sampling: seeded, choices: 3 },
}

for (const [name, asked] of Object.entries(transcripts)) {
  test(`a ${name} answer goes on at another engine, cut after any token`, async () => {
    const changes = { model: 'isochrone-tiny', ...asked }
    const whole = await run(first, changes)
    const wanted = partsOf(whole.events, changes.choices ?? 1)
    for (let cut = 1; cut < whole.events.length; cut += 1) {
      const before = whole.events.slice(0, cut)
      const { parts, usage } = await continuedAnswer(second, changes, before)
      for (const [choice, part] of parts.entries()) assertSame(part, wanted[choice])
      assert.deepEqual(usage, whole.usage)
    }
  })
}

function assertSame(part: Part, wanted: Part | undefined): void {
  assert.ok(wanted !== undefined)
  const { logprobs, ...rest } = part
  const { logprobs: wantedLogprobs, ...wantedRest } = wanted
  assert.deepEqual(rest, wantedRest)
  assert.equal(logprobs.length, wantedLogprobs.length)
  for (const [at, entry] of logprobs.entries()) assertClose(entry, wantedLogprobs[at])
}

function assertClose(entry: TokenLogprobs, wanted: TokenLogprobs | undefined): void {
  assert.ok(wanted !== undefined)
  assert.equal(entry.token, wanted.token)
  assert.ok(Math.abs(entry.logprob - wanted.logprob) < logprobErrorMax)
  entry.top.forEach(({ logprob }, at) => {
    assert.ok(Math.abs(logprob - (wanted.top[at]?.logprob ?? 0)) < logprobErrorMax)
  })
}
