/** Files of data as text, gzipped or not. They are hostile: what is no text is named as such. */
import { gunzipSync } from 'node:zlib'
import { IsochroneError } from '../protocol/index.ts'

export interface TextSource {
  /** For messages, such as the file's path. */
  readonly name: string
  /** Of the text, unpacked. */
  readonly bytesMax: number
}

export function plainText(bytes: Uint8Array, source: TextSource): string {
  const { name, bytesMax } = source
  const isGzip = bytes[0] === 0x1f && bytes[1] === 0x8b
  if (!isGzip && name.endsWith('.gz')) refuse(name, 'is named as gzip, and is none')
  const plain = isGzip ? unzip(bytes, source) : bytes
  if (plain.length > bytesMax) refuse(name, `is larger than ${bytesMax} bytes`)
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(plain)
  } catch (cause) {
    refuse(name, 'is not text (or in an unknown compression); plain text is needed', cause)
  }
}

function unzip(bytes: Uint8Array, { name, bytesMax }: TextSource): Uint8Array {
  try {
    return gunzipSync(bytes, { maxOutputLength: bytesMax })
  } catch (cause) {
    const tooLarge = cause instanceof RangeError
    const what = tooLarge ? `unpacks to more than ${bytesMax} bytes` : 'is damaged: gzip ends'
    refuse(name, what, cause)
  }
}

function refuse(name: string, what: string, cause?: unknown): never {
  throw new IsochroneError('invalid_configuration', `${name} ${what}.`, {
    detail: { file: name },
    ...(cause === undefined ? {} : { cause }),
  })
}
