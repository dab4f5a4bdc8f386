/** Reads a request's body, bounded, and turns it into JSON. */
import { IsochroneError } from '../../protocol/index.ts'
import { parseJson } from './body-parser.ts'
import type { BodyReader, IncomingRequest } from './incoming-request.ts'

/**
 * undefined: there is no body.
 * @throws IsochroneError `unsupported_media_type`, `request_too_large`, `invalid_json`,
 *   `client_closed_request`
 */
export async function readJson(request: IncomingRequest, bytesMax: number): Promise<unknown> {
  const { headers } = request
  const length = headers['content-length']
  if (length === undefined && headers['transfer-encoding'] === undefined) return undefined
  if (!isJson(headers['content-type'])) {
    throw new IsochroneError('unsupported_media_type', 'Send the body as application/json.')
  }
  if (length !== undefined && Number(length) > bytesMax) throw tooLarge(bytesMax)
  return parseJson(await readBytes(request, bytesMax, lengthOf(length)))
}

/** NaN: it is not said. Node lets no other bytes pass than are announced, and no word twice. */
function lengthOf(length: string | undefined): number {
  return length === undefined ? Number.NaN : Number(length)
}

/** RFC 9110, section 8.3: the type in any case, parameters after a semicolon. */
function isJson(contentType: string | undefined): boolean {
  if (contentType === 'application/json') return true
  return contentType?.split(';')[0]?.trim().toLowerCase() === 'application/json'
}

/** @param announced bytes that come; NaN: unknown */
function readBytes(request: IncomingRequest, bytesMax: number, announced: number): Promise<Buffer> {
  if (announced === 0) return Promise.resolve(none)
  return new Promise((resolve, reject) => {
    let first: Buffer | undefined
    let parts: Buffer[] | undefined
    let pages: Buffer[] | undefined
    let bytes = 0
    const whole = () => {
      if (parts === undefined) return first ?? none
      return Buffer.concat(pages === undefined ? parts : [...pages, ...parts])
    }
    const reader: BodyReader = {
      take(part) {
        bytes += part.length
        if (bytes > bytesMax) {
          request.leave()
          reject(tooLarge(bytesMax))
        } else if (first === undefined) first = part
        else if (parts === undefined) parts = [first, part]
        else if (parts.push(part) >= partsMax) {
          pages ??= []
          pages.push(Buffer.concat(parts))
          parts = []
        }
        // Nothing can come behind it.
        if (bytes === announced) resolve(whole())
      },
      end() {
        if (bytes !== announced) resolve(whole())
      },
      gone: (cause) => reject(gone(cause ?? undefined)),
    }
    request.readTo(reader)
  })
}

/** A part has 400 bytes of its own, and whoever sends may make each of them a single byte. */
const partsMax = 1024
const none = Buffer.alloc(0)

function tooLarge(bytesMax: number): IsochroneError {
  const message = `The body is larger than ${bytesMax} bytes; shorten the messages.`
  return new IsochroneError('request_too_large', message)
}

function gone(cause: unknown): IsochroneError {
  const message = 'The client left before its request was complete.'
  return new IsochroneError('client_closed_request', message, { cause })
}
