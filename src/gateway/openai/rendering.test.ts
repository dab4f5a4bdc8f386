import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { GenerationEvent, JsonObject } from '../../protocol/index.ts'
import { createChatAnswer, createChatStream } from './chat-rendering.ts'
import { createCompletionAnswer, createCompletionStream } from './completion-rendering.ts'
import { mergeExtra } from './extra-fields.ts'

const head = { id: 'chatcmpl-1', created: 1, model: 'm "quoted"', choices: 1, includeUsage: false }
const usage: GenerationEvent = {
  type: 'usage',
  promptTokens: 3,
  completionTokens: 2,
  cachedTokens: 1,
}

function delta(text: string, more: { choice?: number; extra?: JsonObject } = {}): GenerationEvent {
  const { choice = 0, extra = null } = more
  return { type: 'delta', choice, text, tokenIds: [], logprobs: [], extra }
}

function withLogprob(text: string): GenerationEvent {
  const entry = { token: text, logprob: -1, bytes: [...Buffer.from(text)] }
  return {
    type: 'delta',
    choice: 0,
    text,
    tokenIds: [1],
    logprobs: [{ ...entry, top: [entry] }],
    extra: null,
  }
}

/** The `data:` objects of a rendered stream; the end marker as the text itself. */
function parse(text: string): (JsonObject | string)[] {
  assert.ok(text.endsWith('\n\n'))
  return text
    .slice(0, -2)
    .split('\n\n')
    .map((event) => {
      assert.ok(event.startsWith('data: '), event)
      const data = event.slice('data: '.length)
      return data === '[DONE]' ? data : (JSON.parse(data) as JsonObject)
    })
}

test('a chat stream is role, deltas, finish reason, [DONE]', () => {
  const stream = createChatStream(head, 'fp')
  const text = stream.open() + stream.batch([delta('Li'), delta(''), delta('ma')])
  const end = stream.batch([{ type: 'finish', choice: 0, reason: 'stop' }, usage]) + stream.close()
  const events = parse(text + end)
  const choices = events
    .slice(0, -1)
    .map((event) => ((event as JsonObject)['choices'] as JsonObject[])[0])
  assert.deepEqual(
    choices.map((choice) => choice?.['delta']),
    [{ role: 'assistant', content: '', refusal: null }, { content: 'Li' }, { content: 'ma' }, {}],
  )
  assert.deepEqual(
    choices.map((choice) => choice?.['finish_reason']),
    [null, null, null, 'stop'],
  )
  assert.equal(events.at(-1), '[DONE]')
  for (const event of events.slice(0, -1)) {
    assert.ok(!('usage' in (event as JsonObject)))
    assert.equal((event as JsonObject)['model'], 'm "quoted"')
  }
})

test('with include_usage one more chunk has the usage, and all others null', () => {
  for (const create of [createChatStream, createCompletionStream]) {
    const stream = create({ ...head, includeUsage: true }, 'fp')
    const text =
      stream.open() +
      stream.batch([delta('x'), { type: 'finish', choice: 0, reason: 'stop' }, usage])
    const events = parse(text + stream.close()).slice(0, -1) as JsonObject[]
    const last = events.at(-1)
    assert.deepEqual(last?.['choices'], [])
    assert.deepEqual(last?.['usage'], {
      prompt_tokens: 3,
      completion_tokens: 2,
      total_tokens: 5,
      prompt_tokens_details: { cached_tokens: 1 },
    })
    for (const event of events.slice(0, -1)) assert.equal(event['usage'], null)
  }
})

test('a stream opens every choice with its role', () => {
  const stream = createChatStream({ ...head, choices: 3 }, 'fp')
  const indices = parse(stream.open()).map(
    (event) => ((event as JsonObject)['choices'] as JsonObject[])[0]?.['index'],
  )
  assert.deepEqual(indices, [0, 1, 2])
})

test('whatever the text, however batched, stream and whole answer say the same', () => {
  const event = fc.record({ choice: fc.nat(1), text: fc.string({ unit: 'binary' }) })
  fc.assert(
    fc.property(fc.array(event, { maxLength: 20 }), (parts) => {
      const events = parts.map(({ choice, text }) => delta(text, { choice }))
      const two = { ...head, choices: 2 }
      const stream = createChatStream(two, 'fp')
      const answer = createChatAnswer(two)
      answer.batch(events)
      const texts = ['', '']
      for (const one of parse(stream.open() + stream.batch(events)) as JsonObject[]) {
        const [choice] = one['choices'] as { index: number; delta: { content: string } }[]
        if (choice !== undefined) texts[choice.index] += choice.delta.content
      }
      const whole = JSON.parse(answer.render('fp')) as {
        choices: { message: { content: string } }[]
      }
      assert.deepEqual(
        whole.choices.map(({ message }) => message.content),
        texts,
      )
    }),
  )
})

test('a whole answer has all of its fields, and what a server says besides', () => {
  const answer = createChatAnswer(head)
  const calls = [{ id: 'c', type: 'function', function: { name: 'f', arguments: '{}' } }]
  const finish: GenerationEvent = { type: 'finish', choice: 0, reason: 'tool_calls' }
  const extra = { tool_calls: calls, refusal: 'no', role: 'user' }
  answer.batch([delta('', { extra }), finish, usage])
  const message = { tool_calls: calls, refusal: 'no', role: 'assistant', content: null }
  assert.deepEqual(JSON.parse(answer.render('fp')), {
    id: head.id,
    object: 'chat.completion',
    created: 1,
    model: head.model,
    choices: [{ index: 0, message, logprobs: null, finish_reason: 'tool_calls' }],
    usage: {
      prompt_tokens: 3,
      completion_tokens: 2,
      total_tokens: 5,
      prompt_tokens_details: { cached_tokens: 1 },
    },
    system_fingerprint: 'fp',
  })
  const empty = JSON.parse(createChatAnswer(head).render('fp'))
  assert.equal('usage' in empty, false)
  assert.deepEqual(empty.choices[0], {
    index: 0,
    message: { role: 'assistant', content: '', refusal: null },
    logprobs: null,
    finish_reason: null,
  })
})

test('log-probabilities come in the form of each interface', () => {
  const chat = createChatAnswer(head)
  chat.batch([withLogprob('Li'), withLogprob('ma')])
  const inChat = JSON.parse(chat.render('fp')).choices[0].logprobs.content
  assert.deepEqual(inChat[1], {
    token: 'ma',
    logprob: -1,
    bytes: [109, 97],
    top_logprobs: [{ token: 'ma', logprob: -1, bytes: [109, 97] }],
  })
  const completion = createCompletionAnswer(head)
  completion.batch([withLogprob('Li'), withLogprob('ma')])
  assert.deepEqual(JSON.parse(completion.render('fp')).choices[0].logprobs, {
    tokens: ['Li', 'ma'],
    token_logprobs: [-1, -1],
    top_logprobs: [{ Li: -1 }, { ma: -1 }],
    text_offset: [0, 2],
  })
  const stream = createCompletionStream(head, 'fp')
  stream.batch([withLogprob('Li')])
  const second = parse(stream.batch([withLogprob('ma')]))[0] as JsonObject
  const { logprobs } = (second['choices'] as JsonObject[])[0] as { logprobs: JsonObject }
  assert.deepEqual(logprobs['text_offset'], [2])
})

test('tool calls in pieces become whole calls, and no text is then null', () => {
  const piece = (args: string, more: JsonObject = {}) =>
    delta('', { extra: { tool_calls: [{ index: 0, ...more, function: { arguments: args } }] } })
  const answer = createChatAnswer(head)
  answer.batch([
    delta('', {
      extra: {
        tool_calls: [
          { index: 0, id: 'call_1', type: 'function', function: { name: 'f', arguments: '' } },
        ],
      },
    }),
    piece('{"a"'),
    piece(':1}', { id: 'call_1' }),
    { type: 'finish', choice: 0, reason: 'tool_calls' },
  ])
  const [choice] = JSON.parse(answer.render('fp')).choices
  assert.equal(choice.message.content, null)
  assert.equal(choice.finish_reason, 'tool_calls')
  assert.deepEqual(choice.message.tool_calls, [
    { id: 'call_1', type: 'function', function: { name: 'f', arguments: '{"a":1}' } },
  ])
})

test('an extra field cannot replace a role or poison a prototype', () => {
  const answer = createChatAnswer(head)
  const extra = JSON.parse('{"__proto__":{"polluted":1},"role":"system"}') as JsonObject
  answer.batch([delta('hi', { extra }), delta('', { extra })])
  assert.equal(JSON.parse(answer.render('fp')).choices[0].message.role, 'assistant')
  assert.equal(({} as { polluted?: number }).polluted, undefined)
  assert.deepEqual(mergeExtra({ reasoning_content: 'a' }, { reasoning_content: 'b' }), {
    reasoning_content: 'ab',
  })
})
