/**
 * Reads the responses of one HTTP/1.1 connection, strictly: what two readers could take for two
 * different things is refused, and the connection given up.
 *
 * Source: RFC 9112 (messages, chunked coding) and RFC 9110 (fields).
 */
import { ResponseFault } from './response-fault.ts'
import { type HeadFields, lengthOf, readHead, saysClose, secondsOf } from './response-head.ts'

/** What is told of a response's head; everything else in it is checked and left out. */
export type ResponseHead = Pick<HeadFields, 'status' | 'contentType' | 'retryAfter'>

export interface ResponseEvents {
  onHead(head: ResponseHead): void
  /**
   * @param bytes are somebody else's after the call, unless `isLast`
   * @param isLast by the announced length: `onEnd` follows before the bytes are overwritten
   */
  onData(bytes: Buffer, isLast: boolean): void
  onEnd(): void
}

export const responseLimits = {
  /** As Node's own parser, four times over: gateways in between add fields. */
  headBytesMax: 64 * 1024,
  /** The size of a chunk and its extensions, which nobody uses. */
  chunkLineBytesMax: 1024,
  /** 103 early hints may come more than once; a server that sends only those is broken. */
  interimHeadsMax: 16,
  /** 2^40 bytes: ten hexadecimal digits. */
  chunkSizeDigitsMax: 10,
} as const

type State =
  | 'head'
  | 'length'
  | 'close'
  | 'chunk-size'
  | 'chunk-extension'
  | 'chunk-size-end'
  | 'chunk'
  | 'chunk-end'
  | 'chunk-line-end'
  | 'trailer-start'
  | 'trailer'
  | 'trailer-end'
  | 'last-end'
  | 'ended'

const headEnd = Buffer.from('\r\n\r\n')
const [cr, lf, semicolon] = [0x0d, 0x0a, 0x3b]
const none = Buffer.alloc(0)

export class ResponseParser {
  readonly #events: ResponseEvents
  #state: State = 'ended'
  /** The start of a head whose end has not come. */
  #kept: Buffer = none
  #interimHeads = 0
  /** Of the body, or of its chunk. */
  #leftBytes = 0
  /** Digits of a chunk's size, or bytes of its line or of the trailers, so far. */
  #lineBytes = 0
  #persistent = false
  #keepAliveSeconds: number | undefined

  constructor(events: ResponseEvents) {
    this.#events = events
  }

  /** Another response is expected. */
  begin(): void {
    this.#state = 'head'
    this.#interimHeads = 0
  }

  /** Whether the connection can carry another request. */
  get persistent(): boolean {
    return this.#persistent && this.#state === 'ended'
  }

  /** How long the server keeps an idle connection, where it says so. */
  get keepAliveSeconds(): number | undefined {
    return this.#keepAliveSeconds
  }

  /** Throws `ResponseFault`; nothing may follow it. */
  push(bytes: Buffer): void {
    let rest = bytes
    while (rest.length > 0) {
      if (this.#state === 'head') rest = this.#readHead(rest)
      else if (this.#state === 'length') rest = this.#readBody(rest)
      else if (this.#state === 'close') {
        this.#events.onData(rest, false)
        return
      } else if (this.#state === 'ended') {
        throw new ResponseFault('it sent more than its response')
      } else if (this.#state === 'chunk') rest = this.#readBody(rest)
      else rest = rest.subarray(this.#readFraming(rest))
    }
  }

  /** The connection ended. Throws `ResponseFault` where more had to come. */
  finish(): void {
    if (this.#state === 'close') this.#end()
    else if (this.#state !== 'ended') {
      throw new ResponseFault('the connection ended before the response was complete')
    }
  }

  #readHead(bytes: Buffer): Buffer {
    const kept = this.#kept.length
    const all = kept === 0 ? bytes : Buffer.concat([this.#kept, bytes])
    // The end may lie across the border of the two.
    const at = all.indexOf(headEnd, Math.max(0, kept - headEnd.length))
    if ((at < 0 ? all.length : at) > responseLimits.headBytesMax) {
      throw new ResponseFault(`its head has more than ${responseLimits.headBytesMax} bytes`)
    }
    if (at < 0) {
      this.#kept = kept === 0 ? Buffer.from(bytes) : all
      return none
    }
    this.#kept = none
    this.#takeHead(all.toString('latin1', 0, at))
    return all.subarray(at + headEnd.length)
  }

  #takeHead(text: string): void {
    const fields = readHead(text)
    const { contentType, retryAfter, status } = fields
    if (status < 200) {
      this.#interimHeads += 1
      if (status === 101 || this.#interimHeads > responseLimits.interimHeadsMax) {
        throw new ResponseFault(`it answered with status ${status}, which nobody asked for`)
      }
      return
    }
    this.#persistent = !fields.isOld && !saysClose(fields.connection)
    this.#keepAliveSeconds = secondsOf(fields.keepAlive)
    const framing = this.#framingOf(fields)
    this.#events.onHead({ status, contentType, retryAfter })
    if (framing === 'ended') this.#end()
    else this.#state = framing
  }

  /** RFC 9112, section 6.3. */
  #framingOf(fields: HeadFields): State {
    const { contentEncoding, contentLength, isOld, status, transferEncoding } = fields
    if (contentEncoding !== undefined && contentEncoding.toLowerCase() !== 'identity') {
      throw new ResponseFault('it compressed its response, which nobody asked for')
    }
    if (transferEncoding !== undefined) {
      if (transferEncoding.toLowerCase() !== 'chunked' || contentLength !== undefined || isOld) {
        throw new ResponseFault('it does not say how long its response is')
      }
      if (status === 204 || status === 304) return 'ended'
      this.#lineBytes = 0
      this.#leftBytes = 0
      return 'chunk-size'
    }
    if (status === 204 || status === 304) return 'ended'
    if (contentLength === undefined) {
      this.#persistent = false
      return 'close'
    }
    this.#leftBytes = lengthOf(contentLength)
    return this.#leftBytes === 0 ? 'ended' : 'length'
  }

  #readBody(bytes: Buffer): Buffer {
    const isAll = bytes.length <= this.#leftBytes
    const part = isAll ? bytes : bytes.subarray(0, this.#leftBytes)
    this.#leftBytes -= part.length
    const isLast = this.#leftBytes === 0
    const isChunk = this.#state === 'chunk'
    if (isLast && isChunk) this.#state = 'chunk-end'
    const isWhole = isLast && !isChunk
    this.#events.onData(part, isWhole)
    if (isWhole) this.#end()
    return isAll ? none : bytes.subarray(part.length)
  }

  /** What stands around the chunks, byte by byte; returns how many bytes that was. */
  #readFraming(bytes: Buffer): number {
    let at = 0
    while (at < bytes.length && this.#state !== 'chunk' && this.#state !== 'ended') {
      this.#readFramingByte(bytes[at] ?? 0)
      at += 1
    }
    return at
  }

  #readFramingByte(byte: number): void {
    switch (this.#state) {
      case 'chunk-size':
        this.#readSizeByte(byte)
        break
      case 'chunk-extension':
        if (byte === cr) this.#state = 'chunk-size-end'
        else this.#countLine(byte, responseLimits.chunkLineBytesMax)
        break
      case 'chunk-size-end':
        this.#expect(byte, lf)
        this.#lineBytes = 0
        this.#state = this.#leftBytes === 0 ? 'trailer-start' : 'chunk'
        break
      case 'chunk-end':
        this.#expect(byte, cr)
        this.#state = 'chunk-line-end'
        break
      case 'chunk-line-end':
        this.#expect(byte, lf)
        this.#lineBytes = 0
        this.#state = 'chunk-size'
        break
      default:
        this.#readTrailerByte(byte)
    }
  }

  #readSizeByte(byte: number): void {
    const digit = hexDigit(byte)
    if (digit >= 0) {
      this.#lineBytes += 1
      this.#leftBytes = this.#leftBytes * 16 + digit
      if (this.#lineBytes > responseLimits.chunkSizeDigitsMax) throw badChunk()
      return
    }
    if (this.#lineBytes === 0) throw badChunk()
    if (byte === cr) this.#state = 'chunk-size-end'
    else if (byte === semicolon) this.#state = 'chunk-extension'
    else throw badChunk()
  }

  /** Trailers are of no use here; they are read over. */
  #readTrailerByte(byte: number): void {
    if (this.#state === 'last-end') {
      this.#expect(byte, lf)
      this.#end()
    } else if (this.#state === 'trailer-end') {
      this.#expect(byte, lf)
      this.#state = 'trailer-start'
    } else if (byte === cr) {
      this.#state = this.#state === 'trailer-start' ? 'last-end' : 'trailer-end'
    } else {
      this.#state = 'trailer'
      this.#countLine(byte, responseLimits.headBytesMax)
    }
  }

  #countLine(byte: number, bytesMax: number): void {
    this.#lineBytes += 1
    if (byte === lf || this.#lineBytes > bytesMax) throw badChunk()
  }

  #expect(byte: number, expected: number): void {
    if (byte !== expected) throw badChunk()
  }

  #end(): void {
    this.#state = 'ended'
    this.#events.onEnd()
  }
}

function hexDigit(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30
  const letter = byte | 0x20
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x61 + 10 : -1
}

function badChunk(): ResponseFault {
  return new ResponseFault('its response is not in valid chunks')
}
