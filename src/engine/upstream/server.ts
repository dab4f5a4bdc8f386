/** One upstream server: its address, key and connections, shared by everything that talks to it. */
import { Pool } from 'undici'
import { IsochroneError } from '../../protocol/index.ts'
import { parseJson } from './json-value.ts'
import { errorFromConnection, errorFromResponse } from './upstream-errors.ts'

/** More requests than this at once are refused instead of queued without end. */
export const requestsMax = 1024
/** A long prompt is read before the first byte comes; callers have deadlines of their own. */
const responseTimeoutMs = 300_000
const connectTimeoutMs = 10_000
const headersBytesMax = 64 * 1024

export interface ServerAddress {
  readonly url: string
  readonly apiKey?: string
  /** For messages; the address where there is none. */
  readonly name?: string
}

export interface Server {
  /** For a person, without credentials. */
  readonly title: string
  readonly pool: Pool
  readonly basePath: string
  readonly headers: readonly string[]
}

export interface JsonCall {
  readonly method: 'GET' | 'POST'
  /** Below `/v1` where it begins without one; from the server's root with `fromRoot`. */
  readonly path: string
  readonly fromRoot?: boolean
  readonly body?: string
  readonly bytesMax: number
  readonly timeoutMs: number
  readonly signal?: AbortSignal
}

/** Errors: `invalid_configuration` for an address that is none. */
export function openServer(address: ServerAddress): Server {
  const url = URL.parse(address.url)
  if (url === null || !/^https?:$/.test(url.protocol)) {
    throw new IsochroneError(
      'invalid_configuration',
      `"${address.url}" is no address of an upstream; write for example http://127.0.0.1:8000/v1.`,
    )
  }
  const path = url.pathname.replace(/\/+$/, '')
  const key = address.apiKey ?? ''
  if (/[^\x20-\x7e]/.test(key)) {
    throw new IsochroneError(
      'invalid_configuration',
      'The upstream’s API key has characters that no header can carry.',
    )
  }
  return {
    title: `The upstream ${address.name ?? url.origin}`,
    basePath: /\/v\d+$/.test(path) ? path : `${path}/v1`,
    headers: [
      'content-type',
      'application/json',
      ...(key === '' ? [] : ['authorization', `Bearer ${key}`]),
    ],
    pool: new Pool(url.origin, {
      connections: requestsMax,
      pipelining: 1,
      maxHeaderSize: headersBytesMax,
      headersTimeout: responseTimeoutMs,
      bodyTimeout: responseTimeoutMs,
      connect: { timeout: connectTimeoutMs, noDelay: true },
    }),
  }
}

/** A small exchange of JSON. Errors: as `generate`'s, by the response. */
export async function callJson(server: Server, call: JsonCall): Promise<unknown> {
  const { status, text, retryAfter } = await exchange(server, call)
  if (status !== 200) {
    throw errorFromResponse({ status, body: text, retryAfter, server: server.title })
  }
  const value = parseJson(text)
  if (value !== undefined) return value
  throw new IsochroneError(
    'upstream_failed',
    `${server.title} answered ${call.path} with no valid JSON.`,
  )
}

async function exchange(server: Server, call: JsonCall) {
  try {
    const response = await server.pool.request({
      method: call.method,
      path: call.fromRoot ? call.path : `${server.basePath}${call.path}`,
      headers: [...server.headers],
      headersTimeout: call.timeoutMs,
      bodyTimeout: call.timeoutMs,
      ...(call.body === undefined ? {} : { body: call.body }),
      ...(call.signal === undefined ? {} : { signal: call.signal }),
    })
    const parts: Buffer[] = []
    let bytes = 0
    for await (const part of response.body as AsyncIterable<Buffer>) {
      bytes += part.length
      if (bytes > call.bytesMax)
        throw new Error(`the response has more than ${call.bytesMax} bytes`)
      parts.push(part)
    }
    const retryAfter = response.headers['retry-after']
    return {
      status: response.statusCode,
      text: Buffer.concat(parts).toString('utf8'),
      retryAfter: typeof retryAfter === 'string' ? retryAfter : null,
    }
  } catch (error) {
    if (call.signal?.aborted)
      throw new IsochroneError('cancelled', 'The caller cancelled the call.')
    throw errorFromConnection(error, server.title)
  }
}
