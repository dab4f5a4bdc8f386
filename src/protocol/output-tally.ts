/**
 * An answer as it is written or read: its hash, the work that it is, and the bill at its end. Both
 * sides of the wire count with this, each by itself.
 */
import { ceilingOf, type Receipt, unseenTokensMaxOf, type Work } from './bill.ts'
import { IsochroneError } from './errors.ts'
import type {
  EmbeddingRequest,
  EmbeddingResult,
  GenerationDelta,
  GenerationEvent,
  GenerationRequest,
  GenerationUsage,
} from './generation.ts'
import { embeddingHash } from './messages/embed-reply.ts'
import { OutputHash } from './output-hash.ts'

const nothing: GenerationUsage = {
  type: 'usage',
  promptTokens: 0,
  completionTokens: 0,
  cachedTokens: 0,
}

export class OutputTally {
  readonly #asked: Omit<Work, 'tokenIds' | 'bareBytes'>
  readonly #hash = new OutputHash()
  #tokenIds = 0
  #bareBytes = 0
  #bytes = 0
  /** As the writer said it. */
  #usage = nothing

  /** @param bodyBytes of the request as it was sent */
  constructor(request: GenerationRequest, bodyBytes: number) {
    this.#asked = askedOf(request, bodyBytes)
  }

  /** Of what came: whatever it says is hashed, and is the bill. */
  add(events: readonly GenerationEvent[]): void {
    for (const event of events) {
      if (event.type === 'usage') this.#usage = event
      else if (event.type === 'delta') this.#count(event)
    }
    this.#hash.add(events)
  }

  /**
   * Of what one writes oneself. @returns what to send: no bill is over what one can show, whatever
   * the server behind the engine says of tokens that nobody saw.
   * @throws IsochroneError `engine_failed`: it wrote more after its count, which may then be wrong
   */
  addOwn(events: readonly GenerationEvent[]): readonly GenerationEvent[] {
    for (const event of events) {
      if (event.type !== 'delta') continue
      if (this.#usage !== nothing) throw countedTooSoon()
      this.#count(event)
    }
    const sent = this.bounded(events)
    for (const event of sent) if (event.type === 'usage') this.#usage = event
    this.#hash.add(sent)
    return sent
  }

  /** The same events, with counts of tokens that can be; a count over its bound is the bound. */
  bounded(events: readonly GenerationEvent[]): readonly GenerationEvent[] {
    if (!events.some(({ type }) => type === 'usage')) return events
    return events.map((event) => (event.type === 'usage' ? this.#bounded(event) : event))
  }

  /** What was billed, as far as it can be: that is what was counted. */
  get counted(): GenerationUsage {
    return this.#bounded(this.#usage)
  }

  /** Once, at the end. */
  receipt(): Receipt {
    const { completionTokens, promptTokens } = this.#usage
    const content = this.#hash.digest()
    return { content, work: this.#work, bill: { promptTokens, completionTokens } }
  }

  get #work(): Work {
    return { ...this.#asked, tokenIds: this.#tokenIds, bareBytes: this.#bareBytes }
  }

  #count(delta: GenerationDelta): void {
    const bytes = bytesOfDelta(delta)
    const { length } = delta.tokenIds
    this.#bytes += bytes
    this.#tokenIds += length
    if (length === 0) this.#bareBytes += bytes
  }

  #bounded(usage: GenerationUsage): GenerationUsage {
    const ceiling = ceilingOf(this.#work)
    // Tokens without a text are a claim, too.
    const seen = this.#bytes + unseenTokensMaxOf(this.#asked)
    const promptTokens = Math.min(usage.promptTokens, ceiling.promptTokens)
    const completionTokens = Math.min(usage.completionTokens, ceiling.completionTokens, seen)
    const cachedTokens = Math.min(usage.cachedTokens, promptTokens)
    const isSame =
      promptTokens === usage.promptTokens &&
      completionTokens === usage.completionTokens &&
      cachedTokens === usage.cachedTokens
    return isSame
      ? usage
      : { type: 'usage', promptTokens, completionTokens, cachedTokens, estimated: true }
  }
}

/** Of its text and further fields. */
export function bytesOfDelta({ extra, text }: GenerationDelta): number {
  const bytes = Buffer.byteLength(text)
  return extra === null ? bytes : bytes + Buffer.byteLength(JSON.stringify(extra))
}

function countedTooSoon(): IsochroneError {
  const message = 'The engine went on after it had counted its tokens.'
  return new IsochroneError('engine_failed', message)
}

function askedOf(
  request: GenerationRequest,
  bodyBytes: number,
): Omit<Work, 'tokenIds' | 'bareBytes'> {
  const { choices, continued, kind, maxTokens, messages, prompt, stop } = request
  // What was taken over is no part of the prompt.
  const continuedBytes = continued === undefined ? 0 : JSON.stringify(continued).length
  const isOfIds = kind === 'completion' && typeof prompt !== 'string'
  let images = 0
  for (const { content } of messages) {
    if (Array.isArray(content)) images += content.filter((part) => part['type'] !== 'text').length
  }
  return {
    kind,
    promptUnits: isOfIds ? prompt.length : Math.max(0, bodyBytes - continuedBytes),
    parts: kind === 'chat' ? images : 0,
    choices,
    tokensMax: maxTokens === null ? null : choices * maxTokens,
    stopBytes: stop.reduce((longest, text) => Math.max(longest, Buffer.byteLength(text)), 0),
  }
}

export function embeddingWork({ input }: EmbeddingRequest): Work {
  const units = (item: string | readonly number[]) =>
    typeof item === 'string' ? Buffer.byteLength(item) : item.length
  return {
    kind: 'embedding',
    promptUnits: input.reduce((sum, item) => sum + units(item), 0),
    parts: input.length,
    choices: 0,
    tokensMax: null,
    stopBytes: 0,
    tokenIds: 0,
    bareBytes: 0,
  }
}

/** @param result as it was sent */
export function embeddingReceipt(request: EmbeddingRequest, result: EmbeddingResult): Receipt {
  const bill = { promptTokens: result.promptTokens, completionTokens: 0 }
  return { content: embeddingHash(result), work: embeddingWork(request), bill }
}

/** Counts of tokens that can be. */
export function boundedEmbedding<T extends EmbeddingResult>(
  request: EmbeddingRequest,
  result: T,
): T {
  const most = ceilingOf(embeddingWork(request)).promptTokens
  return result.promptTokens <= most ? result : { ...result, promptTokens: most }
}
