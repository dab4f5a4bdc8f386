/**
 * Asks the shipped reference model the held-out questions of its evaluation, through this project's own engine,
 * and compares the accuracies with those that its makers measured (`eval.json`).
 *
 *   node tools/reference-model/evaluate.ts [kind …]
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { silentLog, systemClock } from '../../src/base/index.ts'
import { type Engine, loadLocalEngine } from '../../src/engine/index.ts'
import { importModel, openModel } from '../../src/models/index.ts'
import { type GenerationRequest, requestIdOf } from '../../src/protocol/index.ts'

/** Points by which an accuracy may differ: arithmetic in another order flips a near-tie now and then. */
export const accuracyToleranceShare = 0.01

export interface KindAccuracy {
  readonly kind: string
  readonly questions: number
  readonly accuracy: number
  readonly expected: number
}

const slots = 8
/** The longest answer of the evaluation has 44 tokens. */
const answerTokensMax = 64

if (import.meta.main) {
  const accuracies = await evaluateReferenceModel(process.argv.slice(2))
  for (const { kind, questions, accuracy, expected } of accuracies) {
    const share = (value: number) => `${(100 * value).toFixed(1)} %`.padStart(7)
    console.log(
      `${kind.padEnd(16)} ${questions} questions  ${share(accuracy)}, expected ${share(expected)}`,
    )
  }
  const off = accuracies.filter((a) => Math.abs(a.accuracy - a.expected) > accuracyToleranceShare)
  process.exitCode = off.length === 0 ? 0 : 1
}

/** @param kinds which kinds of question; none: all */
export async function evaluateReferenceModel(kinds: readonly string[]): Promise<KindAccuracy[]> {
  const here = import.meta.dirname
  const heldOut: Record<string, [string, string][]> = await readJson(join(here, 'held-out.json'))
  const expected: { accuracy_held_out_phrasing: Record<string, { accuracy: number }> } =
    await readJson(join(here, 'eval.json'))
  return await withEngine(join(here, '../../models/isochrone-tiny'), async (engine) => {
    const accuracies: KindAccuracy[] = []
    for (const [kind, questions] of Object.entries(heldOut)) {
      if (kinds.length > 0 && !kinds.includes(kind)) continue
      const right = await countRight(engine, questions)
      accuracies.push({
        kind,
        questions: questions.length,
        accuracy: right / questions.length,
        expected: expected.accuracy_held_out_phrasing[kind]?.accuracy ?? Number.NaN,
      })
    }
    return accuracies
  })
}

async function withEngine<T>(model: string, use: (engine: Engine) => Promise<T>): Promise<T> {
  const storeDir = await mkdtemp(join(tmpdir(), 'isochrone-evaluate-'))
  try {
    const { name } = await importModel(model, { storeDir })
    const stored = await openModel(storeDir, name)
    const { createOnnxEngine, createOnnxRunner, loadTokenizer } = await loadLocalEngine()
    const runner = await createOnnxRunner(stored, { backend: 'cpu', slots, threads: 1 })
    const tokenizer = await loadTokenizer(stored.folder)
    const models = [{ stored, runner, tokenizer }]
    const engine = createOnnxEngine({ models, clock: systemClock, log: silentLog })
    try {
      return await use(engine)
    } finally {
      await engine.close()
    }
  } finally {
    await rm(storeDir, { recursive: true, force: true })
  }
}

/** As many at once as there are slots, so that the batched steps are what is evaluated. */
async function countRight(engine: Engine, questions: readonly [string, string][]): Promise<number> {
  let right = 0
  let next = 0
  const worker = async () => {
    for (let entry = questions[next++]; entry !== undefined; entry = questions[next++]) {
      if ((await ask(engine, entry[0])) === entry[1]) right += 1
    }
  }
  await Promise.all(Array.from({ length: slots }, worker))
  return right
}

async function ask(engine: Engine, question: string): Promise<string> {
  let text = ''
  for await (const events of engine.generate(requestFor(question), new AbortController().signal)) {
    for (const event of events) if (event.type === 'delta') text += event.text
  }
  return text
}

function requestFor(question: string): GenerationRequest {
  return {
    kind: 'chat',
    requestId: requestIdOf(new Uint8Array(16)),
    model: 'isochrone-tiny',
    modelDigest: null,
    messages: [{ role: 'user', content: question }],
    prompt: '',
    choices: 1,
    maxTokens: answerTokensMax,
    stop: [],
    sampling: {
      temperature: 0,
      topP: 1,
      topK: 0,
      minP: 0,
      frequencyPenalty: 0,
      presencePenalty: 0,
      repetitionPenalty: 1,
      logitBias: {},
      seed: 0,
    },
    topLogprobs: null,
    whole: false,
    echo: false,
    tools: [],
    toolChoice: null,
    parallelToolCalls: null,
    responseFormat: { type: 'text' },
    passThrough: {},
  }
}

async function readJson<T>(file: string): Promise<T> {
  return JSON.parse(await readFile(file, 'utf8')) as T
}
