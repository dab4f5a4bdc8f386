/** For tests: an answer that is cut anywhere and continued, and what both parts make together. */
import assert from 'node:assert/strict'
import type { GenerationDelta, GenerationEvent, GenerationRequest } from '../protocol/index.ts'
import type { Engine } from './engine.ts'
import { requestOf, run } from './onnx-engine.fixture.ts'

/** What a client has of one choice. */
export interface Part {
  text: string
  tokenIds: number[]
  logprobs: GenerationDelta['logprobs'][number][]
  reason: string | undefined
}

export function partsOf(events: readonly GenerationEvent[], choices: number): readonly Part[] {
  const parts = Array.from({ length: choices }, (): Part => {
    return { text: '', tokenIds: [], logprobs: [], reason: undefined }
  })
  for (const event of events) if (event.type !== 'usage') add(parts[event.choice], event)
  return parts
}

function add(part: Part | undefined, event: Exclude<GenerationEvent, { type: 'usage' }>): void {
  assert.ok(part !== undefined)
  if (event.type === 'finish') part.reason = event.reason
  else {
    part.text += event.text
    part.tokenIds.push(...event.tokenIds)
    part.logprobs.push(...event.logprobs)
  }
}

/**
 * The answer whose first `cut` events came from elsewhere. What the second engine repeats has to be
 * what the first one said.
 */
export async function continuedAnswer(
  engine: Engine,
  changes: Partial<GenerationRequest>,
  before: readonly GenerationEvent[],
) {
  const { choices } = requestOf(changes)
  const parts = partsOf(before, choices)
  const continued = parts.map(({ tokenIds }) => [...tokenIds])
  const { events, usage } = await run(engine, { ...changes, continued })
  const isRepeated = parts.map(({ tokenIds }) => tokenIds.length === 0)
  const isOver = parts.map(({ reason }) => reason !== undefined)
  for (const event of events) {
    if (event.type === 'usage') continue
    const part = parts[event.choice]
    assert.ok(part !== undefined)
    if (event.type === 'delta' && isRepeated[event.choice] === false) {
      isRepeated[event.choice] = true
      assert.deepEqual([event.tokenIds, event.text], [part.tokenIds, part.text])
    } else if (isOver[event.choice] === true) {
      assert.deepEqual(event, { type: 'finish', choice: event.choice, reason: part.reason })
    } else add(part, event)
  }
  return { parts, usage }
}
