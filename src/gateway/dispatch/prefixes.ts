/**
 * Who read the beginning of a prompt lately: a conversation grows at its end, and many share what
 * they begin with, so whoever read it before may have it in its cache.
 *
 * Kept are hashes with a secret of this process, apart for each API key: nobody can tell from it
 * what was asked, nor whether somebody else asked the same.
 */
import { createHash } from 'node:crypto'
import type { Random } from '../../base/index.ts'
import type { GenerationRequest, WorkerId } from '../../protocol/index.ts'
import type { WarmWorker } from '../../routing/index.ts'

/** What is shorter is read in no time: no hash is made. */
const charactersMin = 2_048
/** As `estimateTokens` has it. */
const charactersPerToken = 4
/** The latest messages of a conversation; one that forked earlier begins anew. */
const boundariesMax = 8
/** A text is cut at these multiples of the least length, since it has no messages. */
const cuts = [1, 2, 4, 8, 16, 32, 64] as const
/** At about 150 bytes each, 3 MB in all. */
const entriesMaxDefault = 20_000
/** Of one API key, however many there are: two generations of its latest prompt. */
const shareMin = 2 * boundariesMax
const secretBytes = 16

/** A beginning of a prompt. */
export interface Prefix {
  readonly key: string
  readonly promptTokens: number
}

/** Nothing is taken out of a generation: the older one goes as a whole. */
interface Generations {
  young: Map<string, WorkerId>
  old: Map<string, WorkerId>
}

export class Prefixes {
  readonly #secret: Uint8Array
  readonly #entriesMax: number
  /** Of each API key, the one that asked longest ago first. */
  readonly #byKey = new Map<string, Generations>()
  #entries = 0

  constructor(random: Random, entriesMax = entriesMaxDefault) {
    this.#secret = random.bytes(secretBytes)
    this.#entriesMax = entriesMax
  }

  /** The longest first; none where the prompt is short. */
  of(request: GenerationRequest, keyId: string): readonly Prefix[] {
    const parts = request.kind === 'chat' ? messageTexts(request) : textParts(request.prompt)
    let characters = 0
    for (const part of parts) characters += part.length
    if (characters < charactersMin) return none
    const hash = createHash('sha256').update(this.#secret)
    hash.update(JSON.stringify([keyId, request.model, request.tools]))
    const prefixes: Prefix[] = []
    let length = 0
    for (const [i, part] of parts.entries()) {
      length += part.length
      hash.update(`${part.length}:`).update(part)
      if (length < charactersMin || i < parts.length - boundariesMax) continue
      const key = hash.copy().digest('base64').slice(0, 22)
      prefixes.push({ key, promptTokens: Math.ceil(length / charactersPerToken) })
    }
    return prefixes.reverse()
  }

  /** Who read one of them last, each worker once. */
  warm(prefixes: readonly Prefix[], keyId: string): readonly WarmWorker[] {
    const warm: WarmWorker[] = []
    const mine = this.#byKey.get(keyId)
    if (mine === undefined) return warm
    for (const { key, promptTokens } of prefixes) {
      const worker = mine.young.get(key) ?? mine.old.get(key)
      if (worker === undefined || warm.some((one) => one.worker === worker)) continue
      warm.push({ worker, promptTokens })
    }
    return warm
  }

  /**
   * A worker read the prompt that has these. All keys have equal shares: whoever asks much forgets
   * its own, and who has more from a time with fewer keys gives it up.
   */
  wasRead(prefixes: readonly Prefix[], keyId: string, worker: WorkerId): void {
    const mine = this.#byKey.get(keyId) ?? { young: new Map(), old: new Map() }
    this.#byKey.delete(keyId)
    this.#byKey.set(keyId, mine)
    if (mine.young.size + prefixes.length > this.#share / 2) this.#age(mine)
    const before = mine.young.size
    for (const { key } of prefixes) mine.young.set(key, worker)
    this.#entries += mine.young.size - before
    while (this.#entries > this.#entriesMax) this.#makeRoom()
  }

  get #share(): number {
    return Math.max(shareMin, this.#entriesMax / this.#byKey.size)
  }

  #age(generations: Generations): void {
    this.#entries -= generations.old.size
    generations.old = generations.young
    generations.young = new Map()
  }

  /** Of whoever has most; where that is a prompt's, of whoever asked longest ago. */
  #makeRoom(): void {
    let most: string | undefined
    let mostEntries = shareMin
    for (const [keyId, { young, old }] of this.#byKey) {
      most ??= keyId
      if (young.size + old.size <= mostEntries) continue
      most = keyId
      mostEntries = young.size + old.size
    }
    const generations = most === undefined ? undefined : this.#byKey.get(most)
    if (most === undefined || generations === undefined) return
    this.#age(generations)
    if (mostEntries > shareMin) return
    this.#age(generations)
    this.#byKey.delete(most)
  }
}

const none: readonly Prefix[] = Object.freeze([])

function messageTexts({ messages }: GenerationRequest): readonly string[] {
  return messages.map(({ role, content }) =>
    typeof content === 'string' ? `${role} ${content}` : `${role} ${JSON.stringify(content)}`,
  )
}

function textParts(prompt: GenerationRequest['prompt']): readonly string[] {
  if (typeof prompt !== 'string') return []
  const parts: string[] = []
  let from = 0
  for (const cut of cuts) {
    const to = cut * charactersMin
    if (to >= prompt.length) break
    parts.push(prompt.slice(from, to))
    from = to
  }
  parts.push(prompt.slice(from))
  return parts
}
