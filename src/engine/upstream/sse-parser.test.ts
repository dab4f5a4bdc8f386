import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import fc from 'fast-check'
import { type GenerationEvent, IsochroneError } from '../../protocol/index.ts'
import { requestOf } from '../onnx-engine.fixture.ts'
import { ChunkReader } from './chunk-reader.ts'
import { SseParser } from './sse-parser.ts'

/** Cuts bytes at the given places, which are taken modulo the length. */
function cutAt(bytes: Buffer, places: readonly number[]): Buffer[] {
  const cuts = [...new Set(places.map((place) => place % (bytes.length + 1)))].sort((a, b) => a - b)
  return [...cuts, bytes.length].map((to, i) => bytes.subarray(cuts[i - 1] ?? 0, to))
}

function payloadsOf(chunks: readonly Buffer[]): string[] {
  const payloads: string[] = []
  const parser = new SseParser((payload) => payloads.push(payload))
  for (const chunk of chunks) parser.push(chunk)
  parser.end()
  return payloads
}

test('however the bytes are cut, also inside characters, the payloads are the same', () => {
  const payload = fc.json().filter((text) => text.trim() !== '')
  const noise = fc.constantFrom('', ': ping\n', 'event: x\n', '\n', 'id: 7\r\n')
  fc.assert(
    fc.property(
      fc.array(fc.tuple(noise, fc.string({ unit: 'grapheme' }), payload)),
      fc.array(fc.nat(), { maxLength: 30 }),
      fc.boolean(),
      (events, places, carriageReturn) => {
        const lineEnd = carriageReturn ? '\r\n' : '\n'
        const values = events.map(([, text, json]) => JSON.stringify([text, json]))
        const stream = events.map(
          ([before], i) => `${before}data: ${values[i]}${lineEnd}${lineEnd}`,
        )
        assert.deepEqual(payloadsOf(cutAt(Buffer.from(stream.join('')), places)), values)
      },
    ),
  )
})

test('garbage gives payloads or nothing, never a crash', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 60 })), (parts) => {
      const whole = payloadsOf([Buffer.concat(parts)])
      assert.deepEqual(payloadsOf(parts.map((part) => Buffer.from(part))), whole)
    }),
  )
})

test('any JSON at all is read as a chunk or refused with a clear error', () => {
  const key = fc.constantFrom(
    ...[
      'choices',
      'index',
      'delta',
      'content',
      'finish_reason',
      'usage',
      'error',
      'text',
      'message',
    ],
    ...['tool_calls', 'logprobs', 'token', 'tokens', 'top_logprobs', 'prompt_tokens', 'code'],
  )
  const leaf = fc.oneof(
    fc.integer(),
    fc.constantFrom('stop', 'x', '', null, true, 0, 1.5, -1, '__proto__'),
  )
  const { value } = fc.letrec((tie) => ({
    value: fc.oneof(
      { depthSize: 'medium' },
      leaf,
      fc.array(tie('value'), { maxLength: 3 }),
      fc.dictionary(key, tie('value'), { maxKeys: 5 }),
    ),
  }))
  const choices = fc.array(fc.dictionary(key, value), { maxLength: 3 })
  const chunk = fc.oneof(value, fc.record({ choices, usage: value }, { requiredKeys: ['choices'] }))
  fc.assert(
    fc.property(chunk, fc.constantFrom('chat', 'completion'), (json, kind) => {
      const reader = new ChunkReader(requestOf({ kind, choices: 2 }), 'The upstream')
      const events: GenerationEvent[] = []
      try {
        reader.read(JSON.stringify(json), events)
      } catch (error) {
        assert.ok(error instanceof IsochroneError, String(error))
      }
      const counts = reader.usage()
      for (const event of events) {
        if (event.type === 'delta') assert.equal(typeof event.text, 'string')
        if (event.type !== 'usage') assert.ok(event.choice === 0 || event.choice === 1)
      }
      assert.ok(Number.isSafeInteger(counts.promptTokens + counts.completionTokens))
    }),
    { numRuns: 1000 },
  )
})

test('a line of many small parts takes the memory of its bytes, not of its parts', () => {
  setFlagsFromString('--expose-gc')
  const gc = runInNewContext('gc') as () => void
  const payloads: string[] = []
  const parser = new SseParser((payload) => payloads.push(payload))
  const bytes = Buffer.from(`data: ${'a'.repeat(300_000)}\n`)
  gc()
  const before = process.memoryUsage().heapUsed
  for (let at = 0; at < bytes.length - 1; at += 1) parser.push(bytes.subarray(at, at + 1))
  gc()
  const grown = process.memoryUsage().heapUsed - before
  assert.ok(grown < 4 * 1024 * 1024, `${grown} bytes`)
  parser.push(bytes.subarray(-1))
  assert.equal(payloads[0]?.length, 300_000)
})
