/** Refusals in plain words: what was asked for, that nobody has it, and what there is instead. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decide } from '../decide.ts'
import type { RouteRequest } from '../request.ts'
import {
  type CandidateChange,
  sampleCandidate,
  sampleInput,
  sampleRequest,
} from '../samples.fixture.ts'
import { refusalOf } from './refusal.ts'

function refused(request: Partial<RouteRequest>, ...changes: readonly CandidateChange[]) {
  const candidates = changes.map((change, i) => sampleCandidate(i, change))
  return refusalOf(decide(sampleInput({ candidates, request: { ...sampleRequest, ...request } })))
}

test('a region that no node is in: where there are some', () => {
  const changes = [{ region: 'eu' }, { region: 'us' }, { region: 'eu' }, { offer: null }]
  const refusal = refused({ region: 'mars' }, ...changes)
  assert.equal(
    refusal?.message,
    'No node that offers sample-model is in the region mars. There are nodes in: eu, us.',
  )
  assert.equal(refusal?.code, 'no_eligible_node')
})

test('a feature that no node has: what they have', () => {
  const refusal = refused({ features: ['chat', 'tools'] }, { offer: { features: ['chat'] } })
  assert.equal(
    refusal?.message,
    'No node that offers sample-model can do tools. What they can do: chat.',
  )
  const halves = [
    { offer: { features: ['chat' as const] } },
    { offer: { features: ['tools' as const] } },
  ]
  assert.match(
    refused({ features: ['chat', 'tools'] }, ...halves)?.message ?? '',
    /can do all of chat and tools\./,
  )
})

test('a single reason for each gate reads as a sentence', () => {
  const message = (request: Partial<RouteRequest>, change: CandidateChange) =>
    refused(request, change)?.message ?? ''
  const { id } = sampleCandidate(0)
  assert.match(message({}, { connected: false }), /sample-model is connected now\.$/)
  assert.match(message({ exclude: [id] }, {}), /is left, since the request excludes them all\.$/)
  assert.match(message({ maxPrice: 1 }, {}), /costs at most 1 µ\$ .* example \S+: 10 µ\$ \(prompt/)
  assert.match(message({}, { load: { draining: true } }), /since all of them are draining\.$/)
  const objective = { ttftMs: 1, tpotMs: null }
  assert.match(message({ objective }, {}), /is fast enough \(first token within 1 ms\)\. For exam/)
})

test('several reasons are counted, the most frequent first', () => {
  const changes = [{ connected: false }, {}, {}]
  assert.equal(
    refused({ region: 'mars' }, ...changes)?.message,
    'No node that offers sample-model can serve this request: ' +
      '2 are not in the region mars; 1 is not connected now.',
  )
})

test('too long for every context: names what to shorten', () => {
  const asked = (request: Partial<RouteRequest>) =>
    refused(request, { offer: { contextTokensMax: 500 } }, { offer: { contextTokensMax: 1_000 } })
  const answer = asked({ promptTokens: 300, maxTokens: 5_000 })
  assert.equal(answer?.param, 'max_tokens')
  assert.match(answer?.message ?? '', /holds 1000 at most\. Lower max_tokens to about 700\.$/)
  const prompt = asked({ promptTokens: 1_000 })
  assert.equal(prompt?.param, 'messages')
  assert.match(prompt?.message ?? '', /Shorten the prompt\.$/)
  assert.equal(asked({ promptTokens: 1_000, features: ['completion'] })?.param, 'prompt')
  assert.equal(refused({}, { offer: null })?.param, 'model')
  assert.equal(refused({}, { connected: false })?.param, null)
})
