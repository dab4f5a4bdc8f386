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
/** In each of two generations; at about 150 bytes each, 3 MB in all. */
const entriesMaxDefault = 10_000
const secretBytes = 16

/** A beginning of a prompt. */
export interface Prefix {
  readonly key: string
  readonly promptTokens: number
}

export class Prefixes {
  readonly #secret: Uint8Array
  readonly #entriesMax: number
  /** Nothing is taken out of a generation: the older one goes as a whole. */
  #young = new Map<string, WorkerId>()
  #old = new Map<string, WorkerId>()

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
  warm(prefixes: readonly Prefix[]): readonly WarmWorker[] {
    const warm: WarmWorker[] = []
    for (const { key, promptTokens } of prefixes) {
      const worker = this.#young.get(key) ?? this.#old.get(key)
      if (worker === undefined || warm.some((one) => one.worker === worker)) continue
      warm.push({ worker, promptTokens })
    }
    return warm
  }

  /** A worker read the prompt that has these. */
  wasRead(prefixes: readonly Prefix[], worker: WorkerId): void {
    if (this.#young.size + prefixes.length > this.#entriesMax) {
      this.#old = this.#young
      this.#young = new Map()
    }
    for (const { key } of prefixes) this.#young.set(key, worker)
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
