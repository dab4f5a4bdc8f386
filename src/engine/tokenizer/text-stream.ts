/**
 * Tokens to text while they arrive: an incomplete UTF-8 character is held back until its bytes
 * are there. The pieces together are what decoding all bytes at once gives (invalid bytes become
 * U+FFFD as in the WHATWG Encoding standard).
 */
import type { TokenBytes } from './token-bytes.ts'

/** Texts of tokens that are whole characters by themselves, filled in on first use. */
export class TokenTexts {
  readonly bytes: TokenBytes
  readonly #texts: (string | null | undefined)[]

  constructor(bytes: TokenBytes) {
    this.bytes = bytes
    this.#texts = new Array(bytes.vocabularySize)
  }

  /** null: the token's bytes are not whole characters. */
  wholeText(tokenId: number): string | null {
    const known = this.#texts[tokenId]
    if (known !== undefined) return known
    const text = wholeTextOf(this.bytes.bytesOf(tokenId))
    if (tokenId >= 0 && tokenId < this.bytes.vocabularySize) this.#texts[tokenId] = text
    return text
  }
}

export class TextStream {
  readonly #texts: TokenTexts
  #pending: Uint8Array = none

  constructor(texts: TokenTexts) {
    this.#texts = texts
  }

  /** The text that became complete with this token; may be empty. */
  push(tokenId: number): string {
    if (this.#pending.length === 0) {
      const text = this.#texts.wholeText(tokenId)
      if (text !== null) return text
    }
    const bytes = this.#texts.bytes.bytesOf(tokenId)
    if (bytes.length === 0) return ''
    const all = this.#pending.length === 0 ? bytes : Buffer.concat([this.#pending, bytes])
    const end = all.length - incompleteLength(all)
    this.#pending = end === all.length ? none : all.slice(end)
    return decode(all, 0, end)
  }

  /** What is left at the end: bytes that never became a character. */
  flush(): string {
    const text = decode(this.#pending, 0, this.#pending.length)
    this.#pending = none
    return text
  }
}

const none = new Uint8Array(0)
const fatalDecoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

function wholeTextOf(bytes: Uint8Array): string | null {
  try {
    return fatalDecoder.decode(bytes)
  } catch {
    return null
  }
}

function decode(bytes: Uint8Array, from: number, to: number): string {
  if (from === to) return ''
  return Buffer.from(bytes.buffer, bytes.byteOffset + from, to - from).toString('utf8')
}

/** Bytes at the end that begin a character and may yet be completed: 0 to 3. */
function incompleteLength(bytes: Uint8Array): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back += 1) {
    const byte = bytes[bytes.length - back] ?? 0
    if ((byte & 0xc0) === 0x80) continue
    const needed = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1
    return needed > back ? back : 0
  }
  return 0
}
