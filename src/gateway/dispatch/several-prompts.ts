/**
 * A request with several prompts → one request to the worker for each, side by side, whose answers
 * come as one: choice c of prompt p is choice p × n + c of the whole, as OpenAI counts them.
 */
import type { GenerationEvent, GenerationRequest, GenerationUsage } from '../../protocol/index.ts'
import type { CallLimits, Worker } from '../workers/worker.ts'

type Batch = readonly GenerationEvent[]

interface Step {
  readonly index: number
  readonly result: IteratorResult<Batch, unknown>
}

/** Throws what the first failure says; `limits.signal` then has to stop the others. */
export async function* generateEach(
  worker: Worker,
  requests: readonly GenerationRequest[],
  limits: CallLimits,
): AsyncGenerator<Batch, void, undefined> {
  const answers = requests.map((request) =>
    worker.generate(request, limits)[Symbol.asyncIterator](),
  )
  const offsets = firstChoices(requests)
  const usages: GenerationUsage[] = []
  const running = new Map<number, Promise<Step>>()
  const advance = async (index: number): Promise<Step> => {
    const result = await answers[index]?.next()
    return { index, result: result ?? { done: true, value: undefined } }
  }
  for (const index of requests.keys()) running.set(index, advance(index))
  try {
    while (running.size > 0) {
      const { index, result } = await Promise.race(running.values())
      if (result.done === true) {
        running.delete(index)
        continue
      }
      const batch = moved(result.value, offsets[index] ?? 0, usages)
      if (batch.length > 0) yield batch
      running.set(index, advance(index))
    }
    // A sum that lacks a part would be wrong.
    if (usages.length === requests.length) yield [sumOf(usages)]
  } finally {
    for (const index of running.keys()) answers[index]?.return?.()?.catch(() => {})
  }
}

function firstChoices(requests: readonly GenerationRequest[]): readonly number[] {
  let next = 0
  return requests.map(({ choices }) => {
    const first = next
    next += choices
    return first
  })
}

/** @param usages takes those of the batch */
function moved(batch: Batch, offset: number, usages: GenerationUsage[]): Batch {
  const events: GenerationEvent[] = []
  for (const event of batch) {
    if (event.type === 'usage') usages.push(event)
    else events.push(offset === 0 ? event : { ...event, choice: event.choice + offset })
  }
  return events
}

function sumOf(usages: readonly GenerationUsage[]): GenerationUsage {
  const sum = (field: 'promptTokens' | 'completionTokens' | 'cachedTokens') =>
    usages.reduce((total, usage) => total + usage[field], 0)
  return {
    type: 'usage',
    promptTokens: sum('promptTokens'),
    completionTokens: sum('completionTokens'),
    cachedTokens: sum('cachedTokens'),
  }
}
