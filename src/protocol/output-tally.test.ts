/** Counts of tokens: what can be is believed, and billed; what cannot be is neither. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { ceilingOf, receiptFromJson, receiptHash, receiptToJson, usageLimits } from './bill.ts'
import type {
  EmbeddingRequest,
  GenerationDelta,
  GenerationEvent,
  GenerationRequest,
  GenerationUsage,
} from './generation.ts'
import { boundedEmbedding, embeddingReceipt, OutputTally } from './output-tally.ts'

const { imageTokensMax, markTokensMax, templateTokensMax, unseenTokensMax } = usageLimits

function requestOf(more: Partial<GenerationRequest> = {}): GenerationRequest {
  const chat = { kind: 'chat', messages: [{ role: 'user', content: 'hi' }], prompt: '' } as const
  const rest = { choices: 1, maxTokens: null, stop: [] }
  return { ...chat, ...rest, ...more } as Partial<GenerationRequest> as GenerationRequest
}

const deltaOf = (text: string, more: Partial<GenerationDelta> = {}): GenerationDelta => ({
  type: 'delta',
  choice: 0,
  text,
  tokenIds: [],
  logprobs: [],
  extra: null,
  ...more,
})
const usageOf = (completionTokens: number, promptTokens = 1, cachedTokens = 0) =>
  ({ type: 'usage', promptTokens, completionTokens, cachedTokens }) satisfies GenerationUsage

function countedOf(
  request: GenerationRequest,
  events: readonly GenerationEvent[],
  bodyBytes = 100,
): GenerationUsage {
  const tally = new OutputTally(request, bodyBytes)
  tally.add([...events, usageOf(1e9, 1e9)])
  return tally.counted
}

const promptMax = (request: GenerationRequest, bodyBytes: number) =>
  countedOf(request, [], bodyBytes).promptTokens
const completionMax = (request: GenerationRequest, events: readonly GenerationEvent[]) =>
  countedOf(request, events).completionTokens

test('a prompt has no more tokens than its request has bytes, and what a template adds', () => {
  assert.equal(promptMax(requestOf(), 500), 500 + templateTokensMax)
  const image = { type: 'image_url', image_url: { url: 'https://example.org/a.png' } }
  const content = [{ type: 'text', text: 'see' }, image]
  const withImage = requestOf({ messages: [{ role: 'user', content }] })
  assert.equal(promptMax(withImage, 500), 500 + templateTokensMax + imageTokensMax)
})

test('a prompt of token ids has as many tokens as it says, and the marks around it', () => {
  const ids = requestOf({ kind: 'completion', messages: [], prompt: [1, 2, 3] })
  assert.equal(promptMax(ids, 500), 3 + markTokensMax)
  const text = requestOf({ kind: 'completion', messages: [], prompt: 'abc' })
  assert.equal(promptMax(text, 500), 500 + markTokensMax)
})

test('what was taken over is no part of the prompt', () => {
  const continued = [[1, 2, 3]]
  const bytes = JSON.stringify(continued).length
  assert.equal(promptMax(requestOf({ continued }), 500), 500 - bytes + templateTokensMax)
})

test('an answer has no more tokens than were delivered in bytes, and those one cannot see', () => {
  assert.equal(completionMax(requestOf(), []), unseenTokensMax)
  assert.equal(completionMax(requestOf(), [deltaOf('Lima')]), 4 + unseenTokensMax)
  assert.equal(completionMax(requestOf(), [deltaOf('利马')]), 6 + unseenTokensMax)
  const reasoning = deltaOf('', { extra: { reasoning_content: 'thinking' } })
  assert.ok(completionMax(requestOf(), [reasoning]) >= unseenTokensMax + 'thinking'.length)
  const stop = ['a', 'a longer one']
  assert.equal(completionMax(requestOf({ stop }), []), unseenTokensMax + 12)
  assert.equal(completionMax(requestOf({ choices: 3 }), []), 3 * unseenTokensMax)
})

test('tokens that come by their ids are counted; those without a text only so far', () => {
  const byId = deltaOf('Lima', { tokenIds: [1, 2] })
  assert.equal(completionMax(requestOf(), [byId]), 2)
  assert.equal(completionMax(requestOf(), [byId, deltaOf('!')]), 3 + unseenTokensMax)
  const empty = deltaOf('', { tokenIds: Array.from({ length: 500 }, () => 7) })
  assert.equal(completionMax(requestOf(), [empty]), unseenTokensMax)
})

test('an answer has no more tokens than were asked for', () => {
  const text = 'a'.repeat(1_000)
  assert.equal(completionMax(requestOf({ maxTokens: 8, choices: 2 }), [deltaOf(text)]), 16)
})

test('what can be is passed on untouched; what cannot be is marked as estimated', () => {
  const tally = new OutputTally(requestOf(), 100)
  tally.add([deltaOf('Lima')])
  const honest = usageOf(2, 20, 10)
  assert.equal(tally.bounded([honest])[0], honest)
  const [cached] = tally.bounded([usageOf(2, 20, 21)])
  assert.deepEqual(cached, { ...usageOf(2, 20, 20), estimated: true })
})

test('inputs of an embedding: bytes of texts, counts of ids, and the marks around each', () => {
  const request = {
    kind: 'embedding',
    input: ['abc', [1, 2], '利'],
  } as Partial<EmbeddingRequest> as EmbeddingRequest
  const said = { vectors: [Float32Array.of(1)], promptTokens: 1e6 }
  const most = 3 + 2 + 3 + 3 * markTokensMax
  assert.equal(boundedEmbedding(request, said).promptTokens, most)
  const { bill, work } = embeddingReceipt(request, said)
  assert.deepEqual(bill, { promptTokens: 1e6, completionTokens: 0 })
  assert.deepEqual(ceilingOf(work), { promptTokens: most, completionTokens: 0 })
})

/** Any engine's answer: by ids or without, with empty tokens, reasoning, several choices. */
const event: fc.Arbitrary<GenerationEvent> = fc.oneof(
  fc
    .record({
      text: fc.oneof(fc.constant(''), fc.string(), fc.string({ unit: 'grapheme' })),
      tokenIds: fc.array(fc.nat(100_000), { maxLength: 4 }),
      extra: fc.oneof(fc.constant(null), fc.record({ reasoning_content: fc.string() })),
      choice: fc.nat(3),
    })
    .map(({ text, ...more }) => deltaOf(text, more)),
  fc.record({ type: fc.constant('finish'), choice: fc.nat(3), reason: fc.constant('stop') }),
)
const asked = fc
  .record({
    kind: fc.constantFrom('chat', 'completion'),
    prompt: fc.oneof(fc.string(), fc.array(fc.nat(9))),
    choices: fc.integer({ min: 1, max: 4 }),
    maxTokens: fc.oneof(fc.constant(null), fc.nat(50)),
    stop: fc.array(fc.string({ minLength: 1 }), { maxLength: 3 }),
    continued: fc.array(fc.array(fc.nat(9))),
  })
  .map((more) => requestOf(more as Partial<GenerationRequest>))
const usage = fc.record({
  type: fc.constant('usage' as const),
  promptTokens: fc.nat(1_000_000),
  completionTokens: fc.nat(1_000_000),
  cachedTokens: fc.nat(1_000_000),
})

test('whatever a server says of tokens, its node never bills over what it can show', () => {
  const batches = fc.array(fc.array(event))
  fc.assert(
    fc.property(asked, batches, usage, fc.nat(10_000), (request, answer, said, bodyBytes) => {
      const own = new OutputTally(request, bodyBytes)
      const read = new OutputTally(request, bodyBytes)
      // However the wire gathers them.
      read.add([...answer, [said]].flatMap((batch) => own.addOwn(batch)))
      const receipt = own.receipt()
      const most = ceilingOf(receipt.work)
      assert.ok(receipt.bill.promptTokens <= most.promptTokens)
      assert.ok(receipt.bill.completionTokens <= most.completionTokens)
      assert.deepEqual(read.receipt(), receipt)
      // What is read is believed wholly: it is what the node has bounded.
      const { completionTokens, promptTokens } = read.counted
      assert.deepEqual({ promptTokens, completionTokens }, receipt.bill)
    }),
  )
})

test('an engine that goes on after its count signs nothing, rather than a false bill', () => {
  const own = new OutputTally(requestOf(), 100)
  own.addOwn([usageOf(60)])
  const more = [deltaOf('Lima', { tokenIds: [1] })]
  assert.throws(() => own.addOwn(more), { code: 'engine_failed' })
})

test('an engine that counts its tokens as they come is billed in full', () => {
  const tokens = fc.array(fc.record({ text: fc.string({ minLength: 1 }), id: fc.nat(9) }))
  fc.assert(
    fc.property(tokens, fc.nat(60), (written, continuedFrom) => {
      const ids = written.map(({ id }) => id)
      const taken = ids.slice(0, continuedFrom)
      const request = requestOf(taken.length === 0 ? {} : { continued: [taken] })
      const own = new OutputTally(request, 1_000)
      for (const { text, id } of written) own.addOwn([deltaOf(text, { tokenIds: [id] })])
      own.addOwn([deltaOf('', { tokenIds: [0] }), usageOf(ids.length + 1, 20)])
      assert.equal(own.receipt().bill.completionTokens, ids.length + 1)
    }),
  )
})

test('a receipt comes back from JSON, and each of its figures is signed', () => {
  const tally = new OutputTally(requestOf({ maxTokens: 9 }), 100)
  tally.add([deltaOf('Lima', { tokenIds: [1, 2] }), usageOf(2, 20)])
  const receipt = tally.receipt()
  const shown = receiptToJson(receipt)
  assert.deepEqual(receiptFromJson(JSON.parse(JSON.stringify(shown))), receipt)
  const hash = receiptHash(receipt)
  const { bill, content, work } = receipt
  const others = [
    { ...receipt, content: content.map((byte) => byte ^ 1) },
    { ...receipt, work: { ...work, kind: 'embedding' as const } },
    { ...receipt, work: { ...work, tokensMax: null } },
    ...(['promptUnits', 'parts', 'choices', 'stopBytes', 'tokenIds', 'bareBytes'] as const).map(
      (field) => ({ ...receipt, work: { ...work, [field]: work[field] + 1 } }),
    ),
    { ...receipt, bill: { ...bill, promptTokens: 21 } },
    { ...receipt, bill: { ...bill, completionTokens: 3 } },
  ]
  for (const other of others) assert.notDeepEqual(receiptHash(other), hash)
})

test('what is no count is no receipt', () => {
  const shown = receiptToJson(new OutputTally(requestOf({ maxTokens: 9 }), 100).receipt())
  assert.ok(receiptFromJson(shown) !== undefined)
  const { bill, work } = shown as { readonly [of: string]: object }
  const odd = [-1, 0.5, 2 ** 53, Number.NaN, Number.POSITIVE_INFINITY, '1', null]
  for (const value of odd) {
    for (const field of Object.keys(work ?? {})) {
      if (field === 'tokensMax' && value === null) continue
      const other = { ...shown, work: { ...work, [field]: value } }
      assert.equal(receiptFromJson(other), undefined, `${field}: ${value}`)
    }
    for (const field of Object.keys(bill ?? {})) {
      const other = { ...shown, bill: { ...bill, [field]: value } }
      assert.equal(receiptFromJson(other), undefined, `${field}: ${value}`)
    }
  }
  // What nobody can sign is left out.
  const told = { work: { ...work, note: 'a word' }, bill: { ...bill, note: 'a word' } }
  assert.deepEqual(receiptFromJson({ ...shown, ...told }), receiptFromJson(shown))
})
