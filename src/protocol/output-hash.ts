/**
 * The hash of an answer that its receipt names: the same for the same events, however they were
 * gathered into batches and messages.
 *
 * Canonical and injective as the envelope is: every event begins with its kind, and everything of
 * variable length has its length before it. Text is hashed as UTF-8, numbers with the most
 * significant byte first.
 */
import { createHash, type Hash } from 'node:crypto'
import { assert, unreachable } from '../base/index.ts'
import type {
  GenerationDelta,
  GenerationEvent,
  GenerationUsage,
  TokenLogprob,
} from './generation.ts'
import { sha256 } from './sha256.ts'

/**
 * Gathered before the hash is called: one call costs as much as hashing a kilobyte, and an answer
 * that is shorter than this needs one call in all. Of the size that memory is pooled in.
 */
const bufferBytes = 2 * 1024
const prefix = 'isochrone.v1.output\0'
/** The widest number. */
const numberBytesMax = 8

const eventKinds = { delta: 1, finish: 2, usage: 3 } as const

export class OutputHash {
  readonly #buffer = Buffer.allocUnsafe(bufferBytes)
  #length = this.#buffer.write(prefix)
  /** Of what the buffer had no room for, if so. */
  #hash: Hash | undefined
  #isDone = false

  add(events: readonly GenerationEvent[]): void {
    assert(!this.#isDone, 'nothing is added to an output hash after its digest')
    for (const event of events) this.#event(event)
  }

  /** 32 bytes; once. */
  digest(): Uint8Array {
    assert(!this.#isDone, 'an output hash has one digest')
    this.#isDone = true
    const rest = this.#buffer.subarray(0, this.#length)
    if (this.#hash === undefined) return sha256(rest)
    return new Uint8Array(this.#hash.update(rest).digest())
  }

  #event(event: GenerationEvent): void {
    this.#uint32(eventKinds[event.type])
    switch (event.type) {
      case 'delta':
        this.#delta(event)
        break
      case 'finish':
        this.#uint32(event.choice)
        this.#text(event.reason)
        break
      case 'usage':
        this.#usage(event)
        break
      default:
        unreachable(event)
    }
  }

  #delta(delta: GenerationDelta): void {
    this.#uint32(delta.choice)
    this.#text(delta.text)
    this.#uint32(delta.tokenIds.length)
    for (const id of delta.tokenIds) this.#uint32(id)
    this.#uint32(delta.logprobs.length)
    for (const token of delta.logprobs) {
      this.#logprob(token)
      this.#uint32(token.top.length)
      for (const alternative of token.top) this.#logprob(alternative)
    }
    // JSON.stringify gives the same text again after it was parsed. No JSON is empty.
    this.#text(delta.extra === null ? '' : JSON.stringify(delta.extra))
  }

  #usage(usage: GenerationUsage): void {
    this.#uint32(usage.promptTokens)
    this.#uint32(usage.completionTokens)
    this.#uint32(usage.cachedTokens)
    this.#uint32(usage.estimated === true ? 1 : 0)
  }

  #logprob({ token, logprob, bytes }: TokenLogprob): void {
    this.#text(token)
    this.#reserve(numberBytesMax)
    // The wire knows no −0: adding 0 makes it 0.
    this.#length = this.#buffer.writeDoubleBE(logprob + 0, this.#length)
    this.#uint32(bytes.length)
    for (const byte of bytes) {
      this.#reserve(1)
      this.#length = this.#buffer.writeUInt8(byte, this.#length)
    }
  }

  #uint32(value: number): void {
    this.#reserve(numberBytesMax)
    this.#length = this.#buffer.writeUInt32BE(value, this.#length)
  }

  #text(text: string): void {
    const bytes = Buffer.byteLength(text)
    this.#uint32(bytes)
    if (bytes > bufferBytes) {
      this.#flushed().update(text, 'utf8')
      return
    }
    this.#reserve(bytes)
    this.#length += this.#buffer.write(text, this.#length)
  }

  #reserve(bytes: number): void {
    if (this.#length + bytes > bufferBytes) this.#flushed()
  }

  #flushed(): Hash {
    // The hash copies what it is given.
    this.#hash ??= createHash('sha256')
    this.#hash.update(this.#buffer.subarray(0, this.#length))
    this.#length = 0
    return this.#hash
  }
}
