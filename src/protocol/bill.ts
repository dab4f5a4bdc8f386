/**
 * What a node wants to be paid for, beside what it delivered, in figures: both are signed with the
 * answer. So a bill that cannot be is shown by the node's own signature, to whoever was not there,
 * and without a word of the prompt or of the answer.
 *
 * Both sides count the work from what lies on the wire, by the same rules. A node that states other
 * work than came has signed something else than what came (`result-content`).
 *
 * A gateway has no tokenizer, but a token stands for a byte at least, in every vocabulary that
 * falls back to bytes or characters. So what the request held and what was delivered bound the
 * counts from above; tokens that came by their ids, and a prompt of ids, are counted. What a node
 * wrote and did not deliver (hidden reasoning) is not: nobody could tell it from an invention.
 */
import { assert, json, Validator } from '../base/index.ts'
import { hashLengthBytes } from './envelope.ts'
import { bytesOf } from './envelope-json.ts'
import type { JsonObject } from './generation.ts'
import { sha256 } from './sha256.ts'

export const usageLimits = {
  /** What a chat template adds by itself: a system prompt, how tools are to be called. */
  templateTokensMax: 4_096,
  /** Marks of beginning and end around an input. */
  markTokensMax: 16,
  /** An image by its address: large ones take a few thousand tokens in today's models. */
  imageTokensMax: 16_384,
  /** Written and not delivered, per choice: end marks, marks of a template, a cut-off character. */
  unseenTokensMax: 64,
} as const

export const workKinds = ['chat', 'completion', 'embedding'] as const

/** Whole numbers, none below 0. */
export interface Work {
  readonly kind: (typeof workKinds)[number]
  /** What was asked: token ids, or the bytes of the request: no text takes fewer bytes in JSON. */
  readonly promptUnits: number
  /** Images of a chat, or inputs of an embedding. */
  readonly parts: number
  readonly choices: number
  /** Of all choices together; null: no limit was set. */
  readonly tokensMax: number | null
  /** The longest stop string: it is written, and not delivered. */
  readonly stopBytes: number
  /** Tokens that came by their ids. */
  readonly tokenIds: number
  /** Text and further fields that came without ids. */
  readonly bareBytes: number
}

export interface Bill {
  readonly promptTokens: number
  readonly completionTokens: number
}

export interface Receipt {
  /** `OutputHash` of a generation, or `embeddingHash`. */
  readonly content: Uint8Array
  readonly work: Work
  readonly bill: Bill
}

/** The most that an honest node can bill for this work. */
export function ceilingOf(work: Work): Bill {
  const { kind, promptUnits, parts } = work
  const { imageTokensMax, markTokensMax, templateTokensMax } = usageLimits
  switch (kind) {
    case 'chat':
      return {
        promptTokens: promptUnits + templateTokensMax + parts * imageTokensMax,
        completionTokens: completionTokensMax(work),
      }
    case 'completion':
      return {
        promptTokens: promptUnits + markTokensMax,
        completionTokens: completionTokensMax(work),
      }
    case 'embedding':
      return { promptTokens: promptUnits + parts * markTokensMax, completionTokens: 0 }
  }
}

function completionTokensMax({ bareBytes, tokenIds, tokensMax, ...work }: Work): number {
  // Where every token came by its id, there is none that one cannot see.
  const isCounted = tokenIds > 0 && bareBytes === 0
  const unseen = isCounted ? 0 : unseenTokensMaxOf(work)
  return Math.min(tokenIds + bareBytes + unseen, tokensMax ?? Number.MAX_SAFE_INTEGER)
}

/** Written and not delivered. */
export function unseenTokensMaxOf({
  choices,
  stopBytes,
}: Pick<Work, 'choices' | 'stopBytes'>): number {
  return choices * (usageLimits.unseenTokensMax + stopBytes)
}

const prefix = Buffer.from('isochrone.v2.output\0')
const kindAt = prefix.length + hashLengthBytes
const numbersAt = kindAt + 1
const numberBytes = 8
const numbersCount = 9
/** Reused: what is hashed is read at once. */
const bytes = Buffer.alloc(numbersAt + numbersCount * numberBytes)
bytes.set(prefix)

/**
 * What a result's envelope signs of the answer (`resultHash`): SHA-256, 32 bytes. All parts have a
 * fixed length, so no two receipts share their bytes.
 */
export function receiptHash({ bill, content, work }: Receipt): Uint8Array {
  assert(content.length === hashLengthBytes, 'a content’s hash has 32 bytes')
  bytes.set(content, prefix.length)
  bytes[kindAt] = workKinds.indexOf(work.kind)
  let at = numbersAt
  // Whole numbers up to 2^53 are exact; no count is below 0.
  at = bytes.writeDoubleBE(work.promptUnits, at)
  at = bytes.writeDoubleBE(work.parts, at)
  at = bytes.writeDoubleBE(work.choices, at)
  at = bytes.writeDoubleBE(work.tokensMax ?? -1, at)
  at = bytes.writeDoubleBE(work.stopBytes, at)
  at = bytes.writeDoubleBE(work.tokenIds, at)
  at = bytes.writeDoubleBE(work.bareBytes, at)
  at = bytes.writeDoubleBE(bill.promptTokens, at)
  bytes.writeDoubleBE(bill.completionTokens, at)
  return sha256(bytes)
}

export function receiptToJson({ bill, content, work }: Receipt): JsonObject {
  return { content: Buffer.from(content).toString('base64'), work: { ...work }, bill: { ...bill } }
}

/**
 * undefined: it is none. Whether anybody signed it is another question; fields that cannot be
 * signed are left out.
 */
export function receiptFromJson({ bill, content, work }: JsonObject): Receipt | undefined {
  const hash = bytesOf(content, hashLengthBytes)
  const said = { work, bill }
  if (hash === undefined || !validator.fits(said)) return undefined
  const { kind, promptUnits, parts, choices, tokensMax, stopBytes, ...came } = said.work
  const { tokenIds, bareBytes } = came
  const asked = { kind, promptUnits, parts, choices, tokensMax, stopBytes }
  const { completionTokens, promptTokens } = said.bill
  const signed = {
    work: { ...asked, tokenIds, bareBytes },
    bill: { promptTokens, completionTokens },
  }
  return { content: hash, ...signed }
}

const count = json.integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })

const validator = new Validator(
  json.object({
    work: json.object({
      kind: json.enum(workKinds),
      promptUnits: count,
      parts: count,
      choices: count,
      tokensMax: json.nullable(count),
      stopBytes: count,
      tokenIds: count,
      bareBytes: count,
    }),
    bill: json.object({ promptTokens: count, completionTokens: count }),
  }),
)
