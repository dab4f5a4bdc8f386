import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { PromptsAhead } from './prompts-ahead.ts'

/** A way of 10 ms; a token each ms. */
const options = { roundTripMs: 20, tokensPerSecond: 1_000 }

test('a node that never said has nothing to foresee', () => {
  const prompts = new PromptsAhead()
  prompts.sent(100, 0)
  assert.equal(prompts.tokensAt(0, options), undefined)
})

test('what was sent since the node spoke comes on top, what it had is read in its turn', () => {
  const prompts = new PromptsAhead()
  prompts.learn({ tokens: 500, saidAtMs: 1_000 }, options)
  assert.equal(prompts.tokensAt(1_000, options), 500)
  assert.equal(prompts.tokensAt(1_200, options), 300)
  prompts.sent(1_000, 1_200)
  assert.equal(prompts.tokensAt(1_200, options), 1_300)
  assert.equal(prompts.tokensAt(1_500, options), 1_000)
})

test('one’s own are there until their first token comes, however fast it says it reads', () => {
  const prompts = new PromptsAhead()
  const liar = { roundTripMs: 20, tokensPerSecond: 1e9 }
  prompts.learn({ tokens: 0, saidAtMs: 0 }, liar)
  const first = prompts.sent(1_000, 0)
  prompts.sent(2_000, 1)
  // The first one counts as read in part; of the second nothing can be.
  assert.equal(prompts.tokensAt(60_000, liar), 2_000)
  prompts.read(first, 60_000)
  assert.equal(prompts.ownTokens, 2_000)
  prompts.read(first, 60_001)
  assert.equal(prompts.ownTokens, 2_000)
})

test('a word is split into one’s own and others’: nothing is counted twice', () => {
  const prompts = new PromptsAhead()
  prompts.sent(300, 0)
  prompts.sent(50, 95)
  // Spoken at 100: the second one was on its way.
  prompts.learn({ tokens: 700, saidAtMs: 100 }, options)
  assert.equal(prompts.tokensAt(100, options), 750)
})

test('a word that is old says nothing of others', () => {
  const prompts = new PromptsAhead()
  prompts.learn({ tokens: 1e9, saidAtMs: 0 }, options)
  assert.ok((prompts.tokensAt(9_999, options) ?? 0) > 0)
  assert.equal(prompts.tokensAt(10_001, options), 0)
  prompts.startAnew()
  assert.equal(prompts.tokensAt(10_001, options), undefined)
})

test('whatever is sent, read and said, the sum is that of what is under way', () => {
  const step = fc.record({
    kind: fc.constantFrom('sent', 'read', 'said'),
    tokens: fc.nat(10_000),
    afterMs: fc.nat(500),
  })
  fc.assert(
    fc.property(fc.array(step), (steps) => {
      const prompts = new PromptsAhead()
      const underWay: ReturnType<PromptsAhead['sent']>[] = []
      let nowMs = 0
      for (const { kind, tokens, afterMs } of steps) {
        nowMs += afterMs
        if (kind === 'sent') underWay.push(prompts.sent(tokens, nowMs))
        if (kind === 'said') prompts.learn({ tokens, saidAtMs: nowMs }, options)
        const [prompt] = kind === 'read' ? underWay.splice(tokens % (underWay.length || 1), 1) : []
        if (prompt !== undefined) prompts.read(prompt, nowMs)
        const own = underWay.reduce((sum, one) => sum + one.tokens, 0)
        assert.equal(prompts.ownTokens, own)
        const ahead = prompts.tokensAt(nowMs, options)
        assert.ok(ahead === undefined || ahead >= 0)
      }
    }),
  )
})
