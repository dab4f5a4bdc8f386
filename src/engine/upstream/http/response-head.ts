/**
 * The head of a response, letter by letter and once: every request waits for one. Expressions and
 * lookups are for what few heads have, since each is code and memory that went cold while the
 * server answered.
 *
 * Source: RFC 9112, sections 4 and 5; RFC 9110, section 5.
 */
import { ResponseFault } from './response-fault.ts'

/** What counts of a head; a class, so that all of them have one shape. */
export class HeadFields {
  readonly status: number
  /** HTTP/1.0. */
  readonly isOld: boolean
  contentType: string | undefined = undefined
  contentLength: string | undefined = undefined
  contentEncoding: string | undefined = undefined
  transferEncoding: string | undefined = undefined
  connection: string | undefined = undefined
  keepAlive: string | undefined = undefined
  retryAfter: string | undefined = undefined

  constructor(status: number, isOld: boolean) {
    this.status = status
    this.isOld = isOld
  }
}

const [tab, lf, cr, space, colon] = [0x09, 0x0a, 0x0d, 0x20, 0x3a]
const [zero, nine] = [0x30, 0x39]
/** RFC 9110, section 5.6.2. */
const tokenCharacters = tableOf(/[!#$%&'*+.^_`|~0-9A-Za-z-]/)
const protocol = 'HTTP/1.'
/** Of `HTTP/1.1 200`. */
const statusLineLength = 12

/**
 * @param text status line and fields, without the line end of the last one
 * Errors: `ResponseFault`
 */
export function readHead(text: string): HeadFields {
  const statusEnd = lineEnd(text, 0)
  const status = statusOf(text, statusEnd)
  if (status === 0) throw new ResponseFault('it does not speak HTTP/1.1')
  const fields = new HeadFields(status, text.charCodeAt(protocol.length) === zero)
  let from = statusEnd + 2
  while (from < text.length) {
    let nameEnd = from
    while (tokenCharacters[text.charCodeAt(nameEnd)] === 1) nameEnd += 1
    // A line that begins with a space is an old way to go on.
    if (nameEnd === from || text.charCodeAt(nameEnd) !== colon) throw noField()
    const end = lineEnd(text, nameEnd + 1)
    if (end < 0) throw noField()
    putField(fields, text, { from, nameEnd, end })
    from = end + 2
  }
  return fields
}

/** Where the line ends; -1: it holds what no line holds, a lone CR or LF among it. */
function lineEnd(text: string, from: number): number {
  let end = from
  while (end < text.length && !isControl(text.charCodeAt(end))) end += 1
  if (end === text.length) return end
  // A lone CR or LF would be taken differently by two readers.
  return text.charCodeAt(end) === cr && text.charCodeAt(end + 1) === lf ? end : -1
}

/** `HTTP/1.1 200 OK` → 200; 0: it is no status line. */
function statusOf(text: string, end: number): number {
  if (end < statusLineLength || !text.startsWith(protocol)) return 0
  const minor = text.charCodeAt(protocol.length)
  if (minor !== zero && minor !== zero + 1) return 0
  if (text.charCodeAt(protocol.length + 1) !== space) return 0
  if (end > statusLineLength && text.charCodeAt(statusLineLength) !== space) return 0
  let status = 0
  for (let at = statusLineLength - 3; at < statusLineLength; at += 1) {
    const digit = text.charCodeAt(at)
    if (digit < zero || digit > nine) return 0
    status = status * 10 + digit - zero
  }
  return status < 100 ? 0 : status
}

/** Where a field stands in its head. */
interface Place {
  readonly from: number
  readonly nameEnd: number
  readonly end: number
}

/** The fields that count, by their names; those of framing may come only once. */
function putField(fields: HeadFields, text: string, { from, nameEnd, end }: Place): void {
  const length = nameEnd - from
  // Most others need not be read: no name that counts is shorter or longer.
  if (length < 'connection'.length || length > 'transfer-encoding'.length) return
  const name = text.slice(from, nameEnd).toLowerCase()
  const value = trimmed(text, nameEnd + 1, end)
  if (name === 'content-type') fields.contentType = value
  else if (name === 'content-length') fields.contentLength = only(fields.contentLength, value)
  else if (name === 'connection') fields.connection = listed(fields.connection, value)
  else if (name === 'keep-alive') fields.keepAlive = value
  else if (name === 'transfer-encoding') {
    fields.transferEncoding = only(fields.transferEncoding, value)
  } else if (name === 'content-encoding') fields.contentEncoding = value
  else if (name === 'retry-after') fields.retryAfter = value
}

function only(before: string | undefined, value: string): string {
  if (before === undefined) return value
  throw new ResponseFault('it says twice how long its response is')
}

/** A list over several lines is one list: a `close` in any of them counts. */
function listed(before: string | undefined, value: string): string {
  return before === undefined ? value : `${before}, ${value}`
}

/** Without the spaces and tabs around it, and nothing else: RFC 9110, section 5.5. */
function trimmed(text: string, start: number, end: number): string {
  let [from, to] = [start, end]
  while (from < to && isBlank(text.charCodeAt(from))) from += 1
  while (to > from && isBlank(text.charCodeAt(to - 1))) to -= 1
  return text.slice(from, to)
}

export function saysClose(connection: string | undefined): boolean {
  if (connection === undefined || connection === 'keep-alive') return false
  return /\bclose\b/i.test(connection)
}

/** Errors: `ResponseFault` for what is no length of at most 15 digits. */
export function lengthOf(contentLength: string): number {
  let length = 0
  for (let at = 0; at < contentLength.length; at += 1) {
    const digit = contentLength.charCodeAt(at)
    if (digit < zero || digit > nine) throw noLength()
    length = length * 10 + digit - zero
  }
  if (contentLength.length < 1 || contentLength.length > lengthDigitsMax) throw noLength()
  return length
}

/** Every such number is exact. */
const lengthDigitsMax = 15

/** A server says the same each time. */
let latestKeepAlive = { text: '', seconds: undefined as number | undefined }

/** `timeout=5, max=100` → 5 */
export function secondsOf(keepAlive: string | undefined): number | undefined {
  if (keepAlive === undefined) return undefined
  if (keepAlive !== latestKeepAlive.text) {
    const match = /(?:^|[,\s])timeout=([0-9]{1,6})/i.exec(keepAlive)
    const seconds = match === null ? undefined : Number(match[1])
    latestKeepAlive = { text: keepAlive, seconds }
  }
  return latestKeepAlive.seconds
}

function isBlank(code: number): boolean {
  return code === space || code === tab
}

/** What no line holds, CR and LF among it. */
function isControl(code: number): boolean {
  return (code < space && code !== tab) || code === 0x7f
}

function noField(): ResponseFault {
  return new ResponseFault('its head has a line that is no field')
}

function noLength(): ResponseFault {
  return new ResponseFault('it does not say how long its response is')
}

function tableOf(characters: RegExp): Uint8Array {
  return Uint8Array.from({ length: 256 }, (_, code) =>
    characters.test(String.fromCharCode(code)) ? 1 : 0,
  )
}
