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

export function createChatAnswer(head: AnswerHead): AnswerRenderer {
  const usage = new UsageNote()
  const choices = Array.from({ length: head.choices }, () => new ChatChoice())
  return {
    batch(events) {
      for (const event of events) {
        if (event.type === 'usage') usage.add(event)
        else choices[event.choice]?.add(event)
      }
    },
    render: (fingerprint) =>
      JSON.stringify({
        id: head.id,
        object: 'chat.completion',
        created: head.created,
        model: head.model,
        choices: choices.map((choice, index) => choice.render(index)),
        ...usage.rendered(),
        system_fingerprint: fingerprint,
      }),
    usage: () => usage.value,
  }
}

class ChatChoice {
  #text = ''
  #hasText = false
  #extra: JsonObject = {}
  #logprobs: JsonObject[] | null = null
  #finish: FinishReason | null = null

  add(event: Exclude<GenerationEvent, { type: 'usage' }>): void {
    if (event.type === 'finish') {
      this.#finish = event.reason
      return
    }
    this.#text += event.text
    this.#hasText ||= event.text !== ''
    if (event.extra !== null) this.#extra = mergeExtra(this.#extra, event.extra)
    if (event.logprobs.length > 0) {
      this.#logprobs ??= []
      for (const entry of event.logprobs) this.#logprobs.push(logprobObject(entry))
    }
  }

  render(index: number): JsonObject {
    const hasCalls = this.#extra['tool_calls'] !== undefined
    return {
      index,
      message: {
        ...this.#extra,
        role: 'assistant',
        content: this.#hasText || !hasCalls ? this.#text : null,
        refusal: this.#extra['refusal'] ?? null,
      },
      logprobs: this.#logprobs === null ? null : { content: this.#logprobs, refusal: null },
      finish_reason: this.#finish,
    }
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
