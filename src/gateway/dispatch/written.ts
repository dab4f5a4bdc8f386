/**
 * What a client has of an answer, so that another worker can go on with it: the tokens, and a mark
 * of their text by which a repetition is known.
 */
import type { GenerationDelta, GenerationEvent } from '../../protocol/index.ts'

/**
 * Of all choices together. As JSON they take 11 bytes each at most: with the largest body that a
 * client may send, a request that brings them fits into one message.
 */
const tokensMax = 65_536

/**
 * FNV-1a over UTF-16 units (Fowler, Noll and Vo), beside the length. It guards against a node whose
 * tokens are not its text; who could forge it could as well have written another text.
 */
export class TextMark {
  units = 0
  #hash = 0x811c9dc5

  add(text: string): void {
    let hash = this.#hash
    for (let i = 0; i < text.length; i += 1) {
      hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
    }
    this.#hash = hash
    this.units += text.length
  }

  isLike(other: TextMark): boolean {
    return this.units === other.units && this.#hash === other.#hash
  }

  copy(): TextMark {
    const copy = new TextMark()
    copy.units = this.units
    copy.#hash = this.#hash
    return copy
  }
}

export interface WrittenChoice {
  readonly tokenIds: readonly number[]
  readonly text: TextMark
  readonly isFinished: boolean
}

interface Growing extends WrittenChoice {
  readonly tokenIds: number[]
  isFinished: boolean
}

export class Written {
  readonly #choices: readonly Growing[]
  #tokens = 0
  #hasBegun = false
  #hasUsage = false
  #isWhole = true

  constructor(choices: number) {
    this.#choices = Array.from({ length: choices }, newChoice)
  }

  get choices(): readonly WrittenChoice[] {
    return this.#choices
  }

  /** Of all choices. */
  get tokens(): number {
    return this.#tokens
  }

  /** The client has something of the answer. */
  get hasBegun(): boolean {
    return this.#hasBegun
  }

  get hasUsage(): boolean {
    return this.#hasUsage
  }

  /** Its tokens are all that there is of the answer: whoever has them can go on. */
  get isWhole(): boolean {
    return this.#isWhole
  }

  /** Takes what the client gets. */
  add(events: readonly GenerationEvent[]): void {
    for (const event of events) {
      if (event.type === 'usage') {
        this.#hasUsage = true
        continue
      }
      this.#hasBegun = true
      const choice = this.#choices[event.choice]
      if (choice === undefined) this.#isWhole = false
      else if (event.type === 'finish') choice.isFinished = true
      else if (this.#isWhole) this.#delta(choice, event)
    }
  }

  #delta({ tokenIds, text }: Growing, delta: GenerationDelta): void {
    for (const id of delta.tokenIds) tokenIds.push(id)
    text.add(delta.text)
    this.#tokens += delta.tokenIds.length
    if (delta.extra === null && this.#tokens <= tokensMax) return
    // Tool calls and the like are not in the tokens' text; and nobody holds tokens without end.
    this.#isWhole = false
    for (const choice of this.#choices) choice.tokenIds.length = 0
  }
}

function newChoice(): Growing {
  return { tokenIds: [], text: new TextMark(), isFinished: false }
}
