/** Events → OpenAI's legacy text_completion objects: chunks for a stream, one object otherwise. */
import type {
  FinishReason,
  GenerationDelta,
  GenerationEvent,
  JsonObject,
  TokenLogprobs,
} from '../../protocol/index.ts'
import {
  type AnswerHead,
  type AnswerRenderer,
  chunkStart,
  type StreamRenderer,
  streamEnd,
  UsageNote,
} from './rendering.ts'

export function createCompletionStream(head: AnswerHead, fingerprint: string): StreamRenderer {
  const start = chunkStart(head, 'text_completion', fingerprint)
  const usage = new UsageNote()
  const tail = head.includeUsage ? '}],"usage":null}\n\n' : '}]}\n\n'
  const offsets = new Array<number>(head.choices).fill(0)
  const one = (text: string, choice: number, rest: string) =>
    `${start}{"text":${text},"index":${choice},${rest}${tail}`
  const render = (event: GenerationEvent): string => {
    switch (event.type) {
      case 'delta':
        return event.text === '' && event.logprobs.length === 0 ? '' : renderDelta(event)
      case 'finish':
        return one('""', event.choice, `"logprobs":null,"finish_reason":"${event.reason}"`)
      case 'usage':
        usage.add(event)
        return ''
    }
  }
  const renderDelta = (event: GenerationDelta): string => {
    const logprobs = new LegacyLogprobs(offsets[event.choice] ?? 0)
    logprobs.add(event.logprobs)
    offsets[event.choice] = logprobs.end
    const rendered = event.logprobs.length === 0 ? 'null' : JSON.stringify(logprobs.render())
    const rest = `"logprobs":${rendered},"finish_reason":null`
    return one(JSON.stringify(event.text), event.choice, rest)
  }
  return {
    open: () => '',
    batch(events) {
      let text = ''
      for (const event of events) text += render(event)
      return text
    },
    close: () => streamEnd(start, head, usage),
    usage: () => usage.value,
  }
}

export function createCompletionAnswer(head: AnswerHead): AnswerRenderer {
  const usage = new UsageNote()
  const choices = Array.from({ length: head.choices }, () => ({
    text: '',
    logprobs: new LegacyLogprobs(0),
    finish: null as FinishReason | null,
  }))
  return {
    batch(events) {
      for (const event of events) {
        if (event.type === 'usage') {
          usage.add(event)
          continue
        }
        const choice = choices[event.choice]
        if (choice === undefined) continue
        if (event.type === 'finish') choice.finish = event.reason
        else {
          choice.text += event.text
          choice.logprobs.add(event.logprobs)
        }
      }
    },
    render(fingerprint) {
      const whole = JSON.stringify({
        id: head.id,
        object: 'text_completion',
        created: head.created,
        model: head.model,
        system_fingerprint: fingerprint,
        choices: choices.map((choice, index) => ({
          text: choice.text,
          index,
          logprobs: choice.logprobs.isEmpty ? null : choice.logprobs.render(),
          finish_reason: choice.finish,
        })),
      })
      return `${whole.slice(0, -1)}${usage.field()}}`
    },
    usage: () => usage.value,
  }
}

/** The legacy form: four parallel lists, with each token's place in the text. */
class LegacyLogprobs {
  /** Where the next token begins, in characters. */
  end: number
  readonly #tokens: string[] = []
  readonly #values: number[] = []
  readonly #top: JsonObject[] = []
  readonly #offsets: number[] = []

  constructor(offset: number) {
    this.end = offset
  }

  get isEmpty(): boolean {
    return this.#tokens.length === 0
  }

  add(entries: readonly TokenLogprobs[]): void {
    for (const entry of entries) {
      this.#tokens.push(entry.token)
      this.#values.push(entry.logprob)
      this.#top.push(Object.fromEntries(entry.top.map(({ token, logprob }) => [token, logprob])))
      this.#offsets.push(this.end)
      this.end += entry.token.length
    }
  }

  render(): JsonObject {
    return {
      tokens: this.#tokens,
      token_logprobs: this.#values,
      top_logprobs: this.#top,
      text_offset: this.#offsets,
    }
  }
}
