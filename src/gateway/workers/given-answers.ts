/** Answers to a gateway's own questions, and whether two of them are the same. */
import { createHash } from 'node:crypto'
import type { Clock } from '../../base/index.ts'
import { embeddingHash } from '../../protocol/index.ts'
import type { RemoteWorker } from './remote-worker.ts'
import { isGeneration, type SmallQuestion } from './small-questions.ts'

/** Of a few tokens, behind whatever the node has under way. */
const answerMs = 30_000
/** Of what two machines make of one text; the cosine of another model's vectors is far below. */
const likeVectorsMin = 0.999

export type AskableWorker = Pick<RemoteWorker, 'embed' | 'generate'>

export type Given =
  | { readonly kind: 'text'; readonly text: string; readonly hash: string }
  | {
      readonly kind: 'vectors'
      readonly vectors: readonly Float32Array[]
      readonly hash: string
    }

/** @throws what kept it from answering, or what was wrong with its signature */
export async function answerOf(
  worker: AskableWorker,
  question: SmallQuestion,
  { clock, stop }: { readonly clock: Clock; readonly stop: AbortSignal },
): Promise<Given> {
  const late = new AbortController()
  const timer = clock.after(answerMs, () => late.abort())
  const limits = { signal: AbortSignal.any([late.signal, stop]), deadlineMs: answerMs }
  try {
    if (!isGeneration(question)) {
      const { promptTokens, vectors } = await worker.embed(question, limits)
      const hash = Buffer.from(embeddingHash({ vectors, promptTokens })).toString('base64')
      return { kind: 'vectors', vectors, hash }
    }
    let text = ''
    for await (const events of worker.generate(question, limits)) {
      for (const event of events) {
        if (event.type === 'delta') text += event.text
        if (event.type === 'finish') text += `\0${event.reason}`
      }
    }
    return { kind: 'text', text, hash: createHash('sha256').update(text).digest('base64') }
  } finally {
    timer.cancel()
  }
}

export function isSameAnswer(a: Given, b: Given): boolean {
  if (a.kind === 'text' || b.kind === 'text') {
    return a.kind === 'text' && b.kind === 'text' && a.text === b.text
  }
  if (a.vectors.length !== b.vectors.length) return false
  return a.vectors.every((vector, row) => cosine(vector, b.vectors[row]) >= likeVectorsMin)
}

function cosine(a: Float32Array, b: Float32Array | undefined): number {
  if (b?.length !== a.length) return 0
  let [dot, ofA, ofB] = [0, 0, 0]
  for (const [i, value] of a.entries()) {
    const other = b[i] ?? 0
    dot += value * other
    ofA += value * value
    ofB += other * other
  }
  return dot / Math.sqrt(ofA * ofB)
}
