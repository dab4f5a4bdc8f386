/** Refusals in plain words: what was asked for, that nobody has it, and what there is instead. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decide } from '../decide.ts'
import { defaultPolicy, policyOf } from '../policy.ts'
import type { RouteRequest } from '../request.ts'
import {
  anyRule,
  type CandidateChange,
  sampleCandidate,
  sampleEvidence,
  sampleInput,
  sampleRate,
  sampleRequest,
  sampleTier,
  sampleWorker,
} from '../samples.fixture.ts'
import type { Tier } from '../tier.ts'
import { workerName } from './reason.ts'
import { refusalOf } from './refusal.ts'

const { version: _, ...values } = defaultPolicy

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
    'No node that offers sample-model has the feature tools. What they have: chat.',
  )
  const halves = [
    { offer: { features: ['chat' as const] } },
    { offer: { features: ['tools' as const] } },
  ]
  assert.match(
    refused({ features: ['chat', 'tools'] }, ...halves)?.message ?? '',
    /has all of the features chat and tools\./,
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
  assert.match(
    message({ objective }, {}),
    /is fast enough \(first token within 1 ms\)\. The nearest/,
  )
})

test('who is too slow: the fastest is named, by what was asked for', () => {
  const changes = [
    { roundTripMs: 50, offer: { decodeTokensPerSecond: 100 } },
    { roundTripMs: 6 },
    { roundTripMs: 10 },
  ]
  const told = (ttftMs: number | null, tpotMs: number | null) =>
    refused({ objective: { ttftMs, tpotMs } }, ...changes)?.message ?? ''
  const name = (number: number) => workerName(sampleWorker(number))
  assert.match(
    told(1, null),
    new RegExp(`The nearest to it is ${name(1)}: first token after 206 ms`),
  )
  assert.match(told(null, 1), new RegExp(`The nearest to it is ${name(0)}: .*, 10 ms per further`))
  assert.match(told(1, 20), new RegExp(`The nearest to it is ${name(1)}: `))
  const policy = policyOf('sample', { ...values, rejectionsMax: 2 })
  const candidates = changes.map((change, i) => sampleCandidate(i, change))
  const request = { ...sampleRequest, objective: { ttftMs: 1, tpotMs: null } }
  const few = refusalOf(decide(sampleInput({ candidates, policy, request })))
  assert.match(few?.message ?? '', new RegExp(`For example ${name(1)}: first token after 206 ms`))
})

test('what a tier demands reads as a sentence, with an example of what there is', () => {
  const refusedIn = (change: Partial<Tier>, candidate: CandidateChange = {}) => {
    const policy = policyOf('sample', { ...values, tiers: [sampleTier(change)] })
    const candidates = [sampleCandidate(0, candidate)]
    return refusalOf(decide(sampleInput({ candidates, policy })))?.message ?? ''
  }
  const classes = [{ hardwareClass: 'gpu', ...anyRule }]
  const dear = { ...anyRule, promptPriceMax: 1 }
  const quick = { ...anyRule, tokensPerSecondMin: 90 }
  const seen = { evidence: { ...sampleEvidence(1, 9), rate: sampleRate(50, 9) } }
  const messages = [
    [{ classes }, {}, /has hardware of class gpu for .* example \S+: class other, by its own/],
    [{ runtimes: ['x'] }, {}, /runs it as its tier demands \(runtime x\)\. .*: runtime onnx\/cpu/],
    [{ memoryBytes: 2 ** 40 }, {}, /has 1024 GiB of memory for .*: 8 GiB, by its own statement/],
    [{ rule: quick }, seen, /is as fast as its tier demands .*: at most 50 tokens\/s, by 9 answ/],
    [{ rule: dear }, {}, /costs what its tier allows \(at most 1 µ\$ .*: 10 µ\$ \(prompt\) and 20/],
  ] as const
  for (const [tier, candidate, message] of messages) {
    assert.match(refusedIn(tier, candidate), message)
  }
  const strict = policyOf('sample', { ...values, servesOtherModels: false })
  const other = refusalOf(decide(sampleInput({ policy: strict })))
  assert.match(other?.message ?? '', /may serve it: this gateway’s policy has it in no tier\.$/)
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
  const open = asked({ promptTokens: 1_000, maxTokens: null })?.message ?? ''
  assert.match(
    open,
    /about 1000 tokens, and the answer 1 at least; the context of .* holds 1000 at/,
  )
  assert.match(prompt?.message ?? '', /Shorten the prompt\.$/)
  assert.equal(asked({ promptTokens: 1_000, features: ['completion'] })?.param, 'prompt')
  assert.equal(refused({}, { offer: null })?.param, 'model')
  assert.equal(refused({}, { connected: false })?.param, null)
})
