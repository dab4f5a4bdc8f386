import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { ManualClock, silentLog } from '../base/index.ts'
import { importModel, openModel } from '../models/index.ts'
import type { ChatMessage, GenerationRequest, Sampling } from '../protocol/index.ts'
import { createOnnxRunner } from './onnx/create-runner.ts'
import { collect, greedy, requestOf, tinyFolder } from './onnx-engine.fixture.ts'
import { createOnnxEngine } from './onnx-engine.ts'
import { loadTokenizer } from './tokenizer/load-tokenizer.ts'

interface Transcript {
  readonly messages?: readonly ChatMessage[]
  readonly prompt_ids: readonly number[]
  readonly completion_ids: readonly number[]
  readonly text: string
  readonly min_margin: number
}

/** Below this gap between the two best tokens, rounding may decide. */
const marginMin = 0.05

const goldenFile = new URL('../../tools/reference-model/golden.json', import.meta.url)
const transcripts: readonly Transcript[] = JSON.parse(
  await readFile(goldenFile, 'utf8'),
).transcripts

const storeDir = await mkdtemp(join(tmpdir(), 'isochrone-engine-'))
await importModel(tinyFolder, { storeDir })
const stored = await openModel(storeDir, 'isochrone-tiny')
const engine = createOnnxEngine({
  models: [
    {
      stored,
      runner: await createOnnxRunner(stored, { backend: 'cpu', slots: 4, threads: 1 }),
      tokenizer: await loadTokenizer(stored.folder),
    },
  ],
  clock: new ManualClock(),
  log: silentLog,
})

after(async () => {
  await engine.close()
  await rm(storeDir, { recursive: true })
})

function ask(changes: Partial<GenerationRequest>) {
  const request = requestOf({ model: 'isochrone-tiny', ...changes })
  return collect(engine.generate(request, new AbortController().signal))
}

function requestFor(transcript: Transcript): Partial<GenerationRequest> {
  const maxTokens = transcript.completion_ids.length
  if (transcript.messages === undefined) return { prompt: transcript.prompt_ids, maxTokens }
  return { kind: 'chat', messages: transcript.messages, maxTokens }
}

test('the reference transcripts come out token for token, all at once', async () => {
  const clear = transcripts.filter((transcript) => transcript.min_margin >= marginMin)
  assert.ok(clear.length >= 10)
  const answers = await Promise.all(clear.map((transcript) => ask(requestFor(transcript))))
  answers.forEach((answer, i) => {
    assert.deepEqual(answer.tokenIds[0], clear[i]?.completion_ids)
    assert.deepEqual(answer.texts, [clear[i]?.text])
  })
})

test('a seed gives the same text alone and in a crowd', async () => {
  const sampling: Sampling = { ...greedy, temperature: 0.9, topP: 0.95, seed: 12 }
  const changes: Partial<GenerationRequest> = {
    prompt: 'It was a dark evening, and the old man',
    maxTokens: 24,
    sampling,
  }
  const alone = await ask(changes)
  const crowd = await Promise.all([
    ask({ ...changes, choices: 2 }),
    ask(changes),
    ...[1, 2, 3].map((seed) => ask({ ...changes, sampling: { ...sampling, seed } })),
  ])
  assert.deepEqual(crowd[0]?.texts[0], alone.texts[0])
  assert.deepEqual(crowd[1]?.texts, alone.texts)
  assert.notDeepEqual(crowd[2]?.texts, alone.texts)
})

test('a stop string ends an answer of the real model', async () => {
  const answer = await ask({
    kind: 'chat',
    messages: [{ role: 'user', content: 'What is the capital of Peru?' }],
    stop: ['u is L'],
    topLogprobs: 3,
  })
  assert.deepEqual(answer.texts, ['The capital of Per'])
  assert.deepEqual(answer.reasons, ['stop'])
  for (const event of answer.events) {
    if (event.type !== 'delta') continue
    for (const { logprob, top } of event.logprobs) assert.ok(logprob <= 0 && top.length === 3)
  }
})
