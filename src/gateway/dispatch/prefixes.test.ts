import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seededRandom } from '../../base/index.ts'
import type { ChatMessage, GenerationRequest } from '../../protocol/index.ts'
import { sampleWorker } from '../../routing/samples.fixture.ts'
import { Prefixes } from './prefixes.ts'

type Asked = Pick<GenerationRequest, 'kind' | 'model' | 'tools' | 'messages' | 'prompt'>

function chat(...texts: readonly string[]): GenerationRequest {
  const messages = texts.map(
    (content, i): ChatMessage => ({ role: i % 2 === 0 ? 'user' : 'assistant', content }) as never,
  )
  const asked: Asked = { kind: 'chat', model: 'm', tools: [], messages, prompt: '' }
  return asked as GenerationRequest
}

function text(prompt: string): GenerationRequest {
  const asked: Asked = { kind: 'completion', model: 'm', tools: [], messages: [], prompt }
  return asked as GenerationRequest
}

const long = 'a long beginning '.repeat(200)
const key = 'key_1'

test('the next turn of a conversation is known by all that was said before', () => {
  const prefixes = new Prefixes(seededRandom(1))
  const first = chat(long)
  assert.deepEqual(prefixes.warm(prefixes.of(first, key), key), [])
  prefixes.wasRead(prefixes.of(first, key), key, sampleWorker(1))
  const second = chat(long, 'an answer', 'go on')
  const [warm] = prefixes.warm(prefixes.of(second, key), key)
  assert.equal(warm?.worker, sampleWorker(1))
  assert.equal(warm?.promptTokens, Math.ceil(('user '.length + long.length) / 4))
  prefixes.wasRead(prefixes.of(second, key), key, sampleWorker(2))
  const third = prefixes.of(chat(long, 'an answer', 'go on', 'more', 'and on'), key)
  assert.deepEqual(
    prefixes.warm(third, key).map(({ worker }) => worker),
    [sampleWorker(2)],
  )
})

test('another beginning, model or key is another prompt; a short one has no beginning', () => {
  const prefixes = new Prefixes(seededRandom(1))
  prefixes.wasRead(prefixes.of(chat(long), key), key, sampleWorker(1))
  const isWarm = (request: GenerationRequest, keyId = key) =>
    prefixes.warm(prefixes.of(request, keyId), key).length > 0
  assert.equal(isWarm(chat(long)), true)
  assert.equal(isWarm(chat(`x${long}`)), false)
  assert.equal(isWarm({ ...chat(long), model: 'other' }), false)
  assert.equal(isWarm({ ...chat(long), tools: [{ type: 'function' }] }), false)
  assert.equal(isWarm(chat(long), 'key_2'), false)
  assert.equal(isWarm(text(long)), false)
  assert.deepEqual(prefixes.of(chat('short', 'and short'), key), [])
})

test('of a long conversation the latest messages are remembered, not each', () => {
  const prefixes = new Prefixes(seededRandom(1))
  const messages = Array.from({ length: 40 }, (_, i) => `${i} ${long}`)
  const found = prefixes.of(chat(...messages), key)
  assert.equal(found.length, 8)
  const shorter = prefixes.of(chat(...messages.slice(0, -7)), key)
  assert.equal(found.at(-1)?.key, shorter[0]?.key)
})

test('a text is known by its first so many characters', () => {
  const prefixes = new Prefixes(seededRandom(1))
  const document = 'x'.repeat(5_000)
  prefixes.wasRead(prefixes.of(text(`${document} first question`), key), key, sampleWorker(3))
  const [warm] = prefixes.warm(prefixes.of(text(`${document} another question`), key), key)
  assert.deepEqual(warm, { worker: sampleWorker(3), promptTokens: 1_024 })
})

test('no more is kept than there is room for, the latest stays', () => {
  const prefixes = new Prefixes(seededRandom(1), 40)
  const ask = (i: number) => prefixes.of(chat(`${i} ${long}`), key)
  for (let i = 0; i < 100; i += 1) prefixes.wasRead(ask(i), key, sampleWorker(i))
  assert.deepEqual(prefixes.warm(ask(0), key), [])
  for (const i of [95, 99]) assert.equal(prefixes.warm(ask(i), key)[0]?.worker, sampleWorker(i))
})

test('what is kept tells nothing of the prompt: another process has other keys', () => {
  const [one, other] = [new Prefixes(seededRandom(1)), new Prefixes(seededRandom(2))]
  const [a] = one.of(chat(long), key)
  const [b] = other.of(chat(long), key)
  assert.notEqual(a?.key, b?.key)
  assert.ok(!JSON.stringify(a).includes('long'))
})

test('whoever asks much forgets its own: other keys keep what they asked', () => {
  const prefixes = new Prefixes(seededRandom(1), 64)
  const ask = (i: number, keyId: string) => prefixes.of(chat(`${i} ${long}`), keyId)
  const asks = (keyId: string, times: number) => {
    for (let i = 0; i < times; i += 1) prefixes.wasRead(ask(i, keyId), keyId, sampleWorker(i))
  }
  const known = (keyId: string, times: number) =>
    Array.from({ length: times }, (_, i) => prefixes.warm(ask(i, keyId), keyId).length)
  asks('key_1', 8)
  asks('key_2', 1_000)
  assert.deepEqual(known('key_1', 8), Array(8).fill(1))
  assert.equal(prefixes.warm(ask(999, 'key_2'), 'key_2')[0]?.worker, sampleWorker(999))
})

test('with more keys each has less, down to a prompt; then the one silent for longest goes', () => {
  const prefixes = new Prefixes(seededRandom(1), 64)
  const ask = (i: number, keyId: string) => prefixes.of(chat(`${i} ${long}`), keyId)
  const asks = (keyId: string) => {
    for (let i = 0; i < 50; i += 1) prefixes.wasRead(ask(i, keyId), keyId, sampleWorker(i))
  }
  const knownOf = (keyId: string) => {
    let known = 0
    for (let i = 0; i < 50; i += 1) known += prefixes.warm(ask(i, keyId), keyId).length
    return known
  }
  asks('a')
  assert.ok(knownOf('a') > 32)
  for (const keyId of ['b', 'c', 'd']) asks(keyId)
  const shares = ['a', 'b', 'c', 'd'].map(knownOf)
  assert.ok(Math.min(...shares) >= 8, String(shares))
  assert.ok(shares.reduce((sum, known) => sum + known, 0) <= 64)
  for (const keyId of ['e', 'f', 'g', 'h']) asks(keyId)
  const later = ['e', 'f', 'g', 'h'].map(knownOf)
  assert.ok(Math.min(...later) >= 8, String(later))
  assert.equal(knownOf('a'), 0)
})
