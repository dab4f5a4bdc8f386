/**
 * One streamed answer whose node is killed at a token, and what the client has in the end beside
 * what it has when nobody disturbs it.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { Random } from '../../src/base/index.ts'
import { type FaultyNetwork, model } from './network.ts'

/** The reference model's end of text: forbidden, an answer goes on until its limit. */
const endTokenId = '2'
/** Some 300 ms of the reference model's work: time enough to be killed in. */
const maxTokens = 320
const killedAtMax = 200
/** A node that was killed after its last word has done its work: the run is made again. */
const missesMax = 20

const prompts = [
  'It was a dark evening, and the old man',
  'The capital of Peru is',
  'One day, a little girl found',
  'The river runs from the mountains to',
]

/** What is asked beside the prompt: every kind of state that an answer has. */
const kinds: Readonly<Record<string, object>> = {
  greedy: { temperature: 0 },
  seeded: { temperature: 0.9, top_p: 0.95, seed: 41 },
  penalties: { temperature: 0.7, frequency_penalty: 0.7, presence_penalty: 0.2, seed: 5 },
  'stop strings': { temperature: 0.8, seed: 6, stop: [' and it was never', ' the very last of'] },
  'two choices': { temperature: 1, seed: 7, n: 2, max_tokens: maxTokens / 2 },
  logprobs: { temperature: 1, seed: 8, logprobs: 2, max_tokens: maxTokens / 2 },
}

interface Asked {
  readonly kind: string
  readonly body: object
}

export const questions: readonly Asked[] = prompts.flatMap((prompt) =>
  Object.entries(kinds).map(([kind, more]) => {
    const logit_bias = { [endTokenId]: -100 }
    const streamed = { stream: true, stream_options: { include_usage: true } }
    return {
      kind,
      body: { model, prompt, max_tokens: maxTokens, logit_bias, ...streamed, ...more },
    }
  }),
)

/** What a client has when a stream is over. */
interface Received {
  readonly texts: readonly string[]
  readonly tokens: readonly string[]
  readonly reasons: readonly (string | null)[]
  readonly usage: unknown
  /** It ended as a stream ends, without an error. */
  readonly isWhole: boolean
  readonly worker: string
  readonly decision: string
  /** ms between one piece of text and the next. */
  readonly gapsMs: readonly number[]
}

export interface KilledRun {
  readonly kind: string
  readonly completed: boolean
  readonly identical: boolean
  /** The longest gap behind the kill, beyond the longest of an undisturbed stream's usual ones. */
  readonly addedPauseMs: number
  readonly killedAt: number
  /** The text and the wanted one, where they differ. */
  readonly difference: readonly [string, string] | undefined
}

export class KilledStreams {
  readonly #network: FaultyNetwork
  readonly #random: Random
  readonly #how: 'kill' | 'halt'
  /** Undisturbed, by question. */
  readonly #wanted = new Map<Asked, Received>()
  #runs = 0
  misses = 0

  /** @param how a halted process comes back with all that it had to say */
  constructor(network: FaultyNetwork, random: Random, how: 'kill' | 'halt' = 'kill') {
    this.#network = network
    this.#random = random
    this.#how = how
  }

  /** One run in which the kill came in the middle of the answer. */
  async run(): Promise<KilledRun> {
    const asked = questions[this.#runs % questions.length]
    if (asked === undefined) throw new Error('there are questions')
    this.#runs += 1
    const wanted = this.#wanted.get(asked) ?? (await this.#receive(asked, undefined))
    if (!wanted.isWhole) throw new Error('an undisturbed stream broke')
    this.#wanted.set(asked, wanted)
    for (let misses = 0; misses < missesMax; misses += 1) {
      const killedAt = 1 + this.#random.below(killedAtMax)
      const received = await this.#receive(asked, killedAt)
      if (await this.#hitInTheMiddle(received))
        return compared(asked, { received, wanted, killedAt })
      this.misses += 1
    }
    throw new Error(`no kill came in the middle of an answer in ${missesMax} trials`)
  }

  async #receive(asked: Asked, killedAt: number | undefined): Promise<Received> {
    const { url } = this.#network
    const response = await fetch(`${url}/v1/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(asked.body),
    })
    if (!response.ok || response.body === null) {
      throw new Error(`the gateway answered ${response.status}: ${await response.text()}`)
    }
    const worker = response.headers.get('x-isochrone-worker') ?? ''
    const reading = new Reading()
    let killing: Promise<unknown> | undefined
    for await (const text of response.body.pipeThrough(new TextDecoderStream())) {
      reading.add(text)
      if (killedAt === undefined || reading.pieces < killedAt || killing !== undefined) continue
      reading.mark()
      killing = this.#how === 'kill' ? this.#killAndStart(worker) : this.#halt(worker)
    }
    await killing
    const decision = response.headers.get('x-isochrone-decision') ?? ''
    return reading.received({ worker, decision })
  }

  async #killAndStart(worker: string): Promise<void> {
    const node = this.#network.node(worker)
    await node.kill()
    // The others have the processor while they go on; a machine has one for each node.
    await delay(restartAfterMs)
    await node.start()
  }

  async #halt(worker: string): Promise<void> {
    const node = this.#network.node(worker)
    node.signal('SIGSTOP')
    // By then the gateway has seen that it does not answer, and another one has gone on.
    await delay(haltedMs)
    node.signal('SIGCONT')
  }

  async #hitInTheMiddle({ decision, isWhole }: Received): Promise<boolean> {
    if (!isWhole) return true
    const response = await fetch(`${this.#network.url}/v1/decisions/${decision}`)
    const { attempts = [] } = (await response.json()) as { attempts?: readonly unknown[] }
    return attempts.length > 1
  }
}

/** Longer than what is left of any answer. */
const restartAfterMs = 1_500
const haltedMs = 6_000

/** Server-sent events, read as they come. */
class Reading {
  pieces = 0
  readonly #texts: string[] = []
  readonly #tokens: string[] = []
  readonly #reasons: (string | null)[] = []
  #usage: unknown
  #isDone = false
  #hasFailed = false
  #rest = ''
  #lastAtMs: number | undefined
  #gapsMs: number[] = []

  add(text: string): void {
    const lines = (this.#rest + text).split('\n')
    this.#rest = lines.pop() ?? ''
    for (const line of lines) if (line.startsWith('data: ')) this.#event(line.slice(6))
  }

  /** Gaps before it do not count. */
  mark(): void {
    this.#gapsMs = []
  }

  received(of: { readonly worker: string; readonly decision: string }): Received {
    return {
      ...of,
      texts: this.#texts,
      tokens: this.#tokens,
      reasons: this.#reasons,
      usage: this.#usage,
      isWhole: this.#isDone && !this.#hasFailed,
      gapsMs: this.#gapsMs,
    }
  }

  #event(payload: string): void {
    if (payload === '[DONE]') {
      this.#isDone = true
      return
    }
    const { choices = [], usage, error } = JSON.parse(payload) as Chunk
    if (error !== undefined) this.#hasFailed = true
    if (usage != null) this.#usage = usage
    for (const { index, text, finish_reason, logprobs } of choices) {
      if (finish_reason != null) this.#reasons[index] = finish_reason
      this.#tokens.push(...(logprobs?.tokens ?? []))
      if (text === '') continue
      this.#texts[index] = (this.#texts[index] ?? '') + text
      this.pieces += 1
      this.#pieceCame()
    }
  }

  #pieceCame(): void {
    const nowMs = performance.now()
    if (this.#lastAtMs !== undefined) this.#gapsMs.push(nowMs - this.#lastAtMs)
    this.#lastAtMs = nowMs
  }
}

interface Chunk {
  readonly choices?: readonly {
    readonly index: number
    readonly text: string
    readonly finish_reason: string | null
    readonly logprobs: { readonly tokens: readonly string[] } | null
  }[]
  readonly usage?: unknown
  readonly error?: unknown
}

function compared(
  { kind }: Asked,
  about: { readonly received: Received; readonly wanted: Received; readonly killedAt: number },
): KilledRun {
  const { received, wanted, killedAt } = about
  const of = ({ texts, tokens, reasons, usage }: Received) =>
    JSON.stringify({ texts, tokens, reasons, usage })
  const identical = of(received) === of(wanted)
  const usualMs = wanted.gapsMs.reduce((sum, ms) => sum + ms, 0) / wanted.gapsMs.length
  return {
    kind,
    killedAt,
    completed: received.isWhole,
    identical,
    addedPauseMs: Math.max(0, ...received.gapsMs) - usualMs,
    difference: identical ? undefined : [of(received), of(wanted)],
  }
}
