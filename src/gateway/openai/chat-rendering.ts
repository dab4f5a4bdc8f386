/** Events → OpenAI's chat.completion objects: chunks for a stream, one object otherwise. */
import type {
  FinishReason,
  GenerationDelta,
  GenerationEvent,
  JsonObject,
  TokenLogprobs,
} from '../../protocol/index.ts'
import { mergeExtra } from './extra-fields.ts'
import {
  type AnswerHead,
  type AnswerRenderer,
  chunkStart,
  type StreamRenderer,
  streamEnd,
  UsageNote,
} from './rendering.ts'

export function createChatStream(head: AnswerHead, fingerprint: string): StreamRenderer {
  const start = chunkStart(head, 'chat.completion.chunk', fingerprint)
  const usage = new UsageNote()
  const tail = head.includeUsage ? '}],"usage":null}\n\n' : '}]}\n\n'
  const opening = '"delta":{"role":"assistant","content":"","refusal":null},"logprobs":null'
  const one = (choice: number, inside: string, finish: string) =>
    `${start}{"index":${choice},${inside},"finish_reason":${finish}${tail}`
  const render = (event: GenerationEvent): string => {
    switch (event.type) {
      case 'delta':
        return isSilent(event) ? '' : one(event.choice, deltaFields(event), 'null')
      case 'finish':
        return one(event.choice, '"delta":{},"logprobs":null', `"${event.reason}"`)
      case 'usage':
        usage.add(event)
        return ''
    }
  }
  return {
    open() {
      let text = ''
      for (let choice = 0; choice < head.choices; choice += 1) text += one(choice, opening, 'null')
      return text
    },
    batch(events) {
      let text = ''
      for (const event of events) text += render(event)
      return text
    },
    close: () => streamEnd(start, head, usage),
    usage: () => usage.value,
  }
}

/** What is known before the worker answers is written while it is at it. */
export function createChatAnswer(head: AnswerHead): AnswerRenderer {
  const { id, created, model } = head
  const start = JSON.stringify({ id, object: 'chat.completion', created, model }).slice(0, -1)
  const usage = new UsageNote()
  const choices = Array.from({ length: head.choices }, () => new ChatChoice())
  return {
    batch(events) {
      for (const event of events) {
        if (event.type === 'usage') usage.add(event)
        else choices[event.choice]?.add(event)
      }
    },
    render(fingerprint) {
      const rendered = choices.map((choice, index) => choice.render(index)).join(',')
      const end = `"system_fingerprint":"${fingerprint}"}`
      return `${start},"choices":[${rendered}]${usage.field()},${end}`
    },
    usage: () => usage.value,
  }
}

class ChatChoice {
  #text = ''
  #hasText = false
  #extra: JsonObject | undefined
  #logprobs: JsonObject[] | null = null
  #finish: FinishReason | null = null

  add(event: Exclude<GenerationEvent, { type: 'usage' }>): void {
    if (event.type === 'finish') {
      this.#finish = event.reason
      return
    }
    this.#text += event.text
    this.#hasText ||= event.text !== ''
    if (event.extra !== null) this.#extra = mergeExtra(this.#extra ?? {}, event.extra)
    if (event.logprobs.length > 0) {
      this.#logprobs ??= []
      for (const entry of event.logprobs) this.#logprobs.push(logprobObject(entry))
    }
  }

  /** JSON. */
  render(index: number): string {
    const content = this.#logprobs
    const logprobs = content === null ? 'null' : JSON.stringify({ content, refusal: null })
    const finish = this.#finish === null ? 'null' : `"${this.#finish}"`
    const said = `"message":${this.#message()},"logprobs":${logprobs}`
    return `{"index":${index},${said},"finish_reason":${finish}}`
  }

  #message(): string {
    const extra = this.#extra
    if (extra === undefined) {
      return `{"role":"assistant","content":${JSON.stringify(this.#text)},"refusal":null}`
    }
    const hasCalls = extra['tool_calls'] !== undefined
    return JSON.stringify({
      ...extra,
      role: 'assistant',
      content: this.#hasText || !hasCalls ? this.#text : null,
      refusal: extra['refusal'] ?? null,
    })
  }
}

/** Nothing for the client to see: the text of an unfinished character, say. */
function isSilent(event: GenerationDelta): boolean {
  return event.text === '' && event.extra === null && event.logprobs.length === 0
}

function deltaFields(event: GenerationDelta): string {
  const content = `"content":${JSON.stringify(event.text)}`
  const logprobs =
    event.logprobs.length === 0
      ? 'null'
      : JSON.stringify({ content: event.logprobs.map(logprobObject), refusal: null })
  if (event.extra === null) return `"delta":{${content}},"logprobs":${logprobs}`
  const extra = JSON.stringify(event.extra).slice(1, -1)
  const fields = event.text === '' ? extra : `${content}${extra === '' ? '' : ','}${extra}`
  return `"delta":{${fields}},"logprobs":${logprobs}`
}

function logprobObject(entry: TokenLogprobs): JsonObject {
  return {
    token: entry.token,
    logprob: entry.logprob,
    bytes: entry.bytes,
    top_logprobs: entry.top.map(({ token, logprob, bytes }) => ({ token, logprob, bytes })),
  }
}
