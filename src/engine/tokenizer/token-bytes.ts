/**
 * The bytes that each token stands for, in one flat array.
 *
 * Byte-level BPE writes each byte as one printable character (the table of GPT-2's `encoder.py`);
 * SentencePiece writes a space as U+2581 and single bytes as `<0xHH>`.
 */
import { IsochroneError } from '../../protocol/index.ts'

export type TokenSpelling = 'byte-level' | 'sentencepiece'

export interface TokenBytes {
  readonly vocabularySize: number
  /** The token's bytes; none for special tokens, which are not text. A view: do not change it. */
  bytesOf(tokenId: number): Uint8Array
  readonly tokenBytesMax: number
}

/** @param textOf the token as the vocabulary spells it; null: it writes no text */
export function tokenBytesOf(
  vocabularySize: number,
  spelling: TokenSpelling,
  textOf: (tokenId: number) => { text: string; literal: boolean } | null,
): TokenBytes {
  const offsets = new Uint32Array(vocabularySize + 1)
  const pieces: Uint8Array[] = []
  let total = 0
  let most = 1
  for (let id = 0; id < vocabularySize; id += 1) {
    const token = textOf(id)
    const bytes = token === null ? empty : spell(token.text, token.literal, spelling)
    pieces.push(bytes)
    total += bytes.length
    most = Math.max(most, bytes.length)
    offsets[id + 1] = total
  }
  const flat = new Uint8Array(total)
  for (let id = 0; id < vocabularySize; id += 1) flat.set(pieces[id] ?? empty, offsets[id])
  return {
    vocabularySize,
    tokenBytesMax: most,
    bytesOf: (id) => flat.subarray(offsets[id] ?? total, offsets[id + 1] ?? total),
  }
}

/** Which spelling a `decoder` of `tokenizer.json` undoes. Errors: `model_unsupported`. */
export function spellingOf(decoder: unknown): TokenSpelling {
  const types = decoderTypes(decoder)
  if (types.includes('ByteLevel')) return 'byte-level'
  if (types.every((type) => sentencePieceSteps.has(type)) && types.length > 0)
    return 'sentencepiece'
  throw new IsochroneError(
    'model_unsupported',
    `tokenizer.json has a decoder of type ${types.join(' + ') || 'none'}; ByteLevel and ` +
      `SentencePiece's are supported.`,
  )
}

const empty = new Uint8Array(0)
const sentencePieceSteps = new Set(['Replace', 'ByteFallback', 'Fuse', 'Strip', 'Metaspace'])
const byteToken = /^<0x([0-9A-Fa-f]{2})>$/
const encoder = new TextEncoder()
const byteOfCharacter = gpt2Bytes()

function decoderTypes(decoder: unknown): string[] {
  if (typeof decoder !== 'object' || decoder === null || !('type' in decoder)) return []
  if (decoder.type !== 'Sequence') return [String(decoder.type)]
  const parts = 'decoders' in decoder && Array.isArray(decoder.decoders) ? decoder.decoders : []
  return parts.flatMap((part) => decoderTypes(part))
}

function spell(text: string, literal: boolean, spelling: TokenSpelling): Uint8Array {
  if (literal) return encoder.encode(text)
  if (spelling === 'sentencepiece') {
    const byte = byteToken.exec(text)
    if (byte !== null) return Uint8Array.of(Number.parseInt(byte[1] ?? '0', 16))
    return encoder.encode(text.replaceAll('\u2581', ' '))
  }
  const bytes = new Uint8Array(text.length)
  for (let i = 0; i < text.length; i += 1) {
    const byte = byteOfCharacter.get(text.charCodeAt(i))
    // A vocabulary entry outside the byte alphabet stands for itself.
    if (byte === undefined) return encoder.encode(text)
    bytes[i] = byte
  }
  return bytes
}

function gpt2Bytes(): ReadonlyMap<number, number> {
  const table = new Map<number, number>()
  let next = 256
  for (let byte = 0; byte < 256; byte += 1) {
    const printable =
      (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae
    table.set(printable ? byte : next++, byte)
  }
  return table
}
