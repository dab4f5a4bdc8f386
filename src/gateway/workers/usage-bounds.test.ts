/** Counts of tokens: what can be is believed, what cannot be is bounded. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { GenerationDelta, GenerationRequest, GenerationUsage } from '../../protocol/index.ts'
import { embeddingTokensMax, promptTokensMax, UsageBounds, usageLimits } from './usage-bounds.ts'

const { imageTokensMax, markTokensMax, templateTokensMax, unseenTokensMax } = usageLimits

function requestOf(more: Partial<GenerationRequest> = {}): GenerationRequest {
  const chat = { kind: 'chat', messages: [{ role: 'user', content: 'hi' }], prompt: '' } as const
  const rest = { choices: 1, maxTokens: null, stop: [] }
  return { ...chat, ...rest, ...more } as Partial<GenerationRequest> as GenerationRequest
}

const deltaOf = (text: string, extra: GenerationDelta['extra'] = null): GenerationDelta => ({
  type: 'delta',
  choice: 0,
  text,
  tokenIds: [],
  logprobs: [],
  extra,
})
const usageOf = (completionTokens: number, promptTokens = 1, cachedTokens = 0) =>
  ({ type: 'usage', promptTokens, completionTokens, cachedTokens }) satisfies GenerationUsage

function completionMax(request: GenerationRequest, deltas: readonly GenerationDelta[]): number {
  const bounds = new UsageBounds(request, 100)
  for (const delta of deltas) bounds.delivered(delta)
  return bounds.bounded(usageOf(1e12)).completionTokens
}

test('a prompt has no more tokens than its request has bytes, and what a template adds', () => {
  assert.equal(promptTokensMax(requestOf(), 500), 500 + templateTokensMax)
  const image = { type: 'image_url', image_url: { url: 'https://example.org/a.png' } }
  const content = [{ type: 'text', text: 'see' }, image]
  const withImage = requestOf({ messages: [{ role: 'user', content }] })
  assert.equal(promptTokensMax(withImage, 500), 500 + templateTokensMax + imageTokensMax)
})

test('a prompt of token ids has as many tokens as it says, and the marks around it', () => {
  const ids = requestOf({ kind: 'completion', prompt: [1, 2, 3] })
  assert.equal(promptTokensMax(ids, 500), 3 + markTokensMax)
  const text = requestOf({ kind: 'completion', prompt: 'abc' })
  assert.equal(promptTokensMax(text, 500), 500 + markTokensMax)
})

test('an answer has no more tokens than were delivered in bytes, and those one cannot see', () => {
  assert.equal(completionMax(requestOf(), []), unseenTokensMax)
  assert.equal(completionMax(requestOf(), [deltaOf('Lima')]), 4 + unseenTokensMax)
  assert.equal(completionMax(requestOf(), [deltaOf('利马')]), 6 + unseenTokensMax)
  const reasoning = deltaOf('', { reasoning_content: 'thinking' })
  assert.ok(completionMax(requestOf(), [reasoning]) >= unseenTokensMax + 'thinking'.length)
  const stop = ['a', 'a longer one']
  assert.equal(completionMax(requestOf({ stop }), []), unseenTokensMax + 12)
  assert.equal(completionMax(requestOf({ choices: 3 }), []), 3 * unseenTokensMax)
})

test('an answer has no more tokens than were asked for', () => {
  const text = 'a'.repeat(1_000)
  assert.equal(completionMax(requestOf({ maxTokens: 8, choices: 2 }), [deltaOf(text)]), 16)
})

test('what can be is passed on untouched; what cannot be is marked as estimated', () => {
  const bounds = new UsageBounds(requestOf(), 100)
  bounds.delivered(deltaOf('Lima'))
  const honest = usageOf(2, 20, 10)
  assert.equal(bounds.bounded(honest), honest)
  const cached = bounds.bounded(usageOf(2, 20, 21))
  assert.deepEqual(cached, { ...usageOf(2, 20, 20), estimated: true })
})

test('inputs of an embedding: bytes of texts, counts of ids, and the marks around each', () => {
  const input = ['abc', [1, 2], '利']
  const request = { kind: 'embedding', input } as unknown as Parameters<
    typeof embeddingTokensMax
  >[0]
  assert.equal(embeddingTokensMax(request), 3 + 2 + 3 + 3 * markTokensMax)
})
