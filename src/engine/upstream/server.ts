/** One upstream server: its address, key and connections, shared by everything that talks to it. */
import type { Clock } from '../../base/index.ts'
import { IsochroneError } from '../../protocol/index.ts'
import { GatheredBytes } from './gathered-bytes.ts'
import type { Connection, ResponseHandler } from './http/connection.ts'
import { ConnectionPool } from './http/connection-pool.ts'
import type { ResponseHead } from './http/response-parser.ts'
import { parseJson } from './json-value.ts'
import { errorFromConnection, errorFromResponse } from './upstream-errors.ts'

/** More requests than this at once are refused instead of queued without end. */
export const requestsMax = 1024
const connectTimeoutMs = 10_000

export interface ServerAddress {
  readonly url: string
  readonly apiKey?: string
  /** For messages; the address where there is none. */
  readonly name?: string
}

export interface Server {
  /** For a person, without credentials. */
  readonly title: string
  readonly pool: ConnectionPool
  readonly basePath: string
  /** Of every request: lines, each with its end. */
  readonly fields: string
  readonly clock: Clock
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
export function openServer(address: ServerAddress, clock: Clock): Server {
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
    fields:
      'user-agent: isochrone\r\nconnection: keep-alive\r\ncontent-type: application/json\r\n' +
      (key === '' ? '' : `authorization: Bearer ${key}\r\n`),
    clock,
    pool: new ConnectionPool({
      origin: {
        isTls: url.protocol === 'https:',
        host: url.hostname.replace(/^\[|\]$/g, ''),
        port: Number(url.port) || (url.protocol === 'https:' ? 443 : 80),
      },
      authority: url.host,
      connectTimeoutMs,
      clock,
    }),
  }
}

/** A small exchange of JSON. Errors: as `generate`'s, by the response. */
export async function callJson(server: Server, call: JsonCall): Promise<unknown> {
  const { status, text, retryAfter } = await exchange(server, call)
  if (status !== 200) {
    const nowMs = server.clock.now()
    throw errorFromResponse({ status, body: text, retryAfter, nowMs, server: server.title })
  }
  const value = parseJson(text)
  if (value !== undefined) return value
  throw new IsochroneError(
    'upstream_failed',
    `${server.title} answered ${call.path} with no valid JSON.`,
  )
}

interface Exchanged {
  readonly status: number
  readonly text: string
  readonly retryAfter: string | null
}

/** Within the call's time, and of the call's size. Errors: `cancelled`, `upstream_failed`. */
function exchange(server: Server, call: JsonCall): Promise<Exchanged> {
  return new Promise((resolve, reject) => {
    const body = new GatheredBytes()
    let head: ResponseHead | undefined
    const settle = (action: () => void) => {
      timer.cancel()
      call.signal?.removeEventListener('abort', onAbort)
      action()
    }
    const fail = (error: Error) => settle(() => reject(errorFromConnection(error, server.title)))
    const handler: ResponseHandler = {
      onHead(given) {
        head = given
      },
      onData(part) {
        if (body.length + part.length <= call.bytesMax) body.add(part)
        else giveUp(new Error(`the response has more than ${call.bytesMax} bytes`))
      },
      onEnd() {
        const text = body.take().toString('utf8')
        const { status = 0, retryAfter = null } = head ?? {}
        settle(() => resolve({ status, text, retryAfter }))
      },
      onError: fail,
    }
    const giveUp = (error: Error) => {
      connection.destroy()
      fail(error)
    }
    const cancelled = () => new IsochroneError('cancelled', 'The caller cancelled the call.')
    const onAbort = () => {
      connection.destroy()
      settle(() => reject(cancelled()))
    }
    if (call.signal?.aborted) return reject(cancelled())
    // First: what throws here must leave no timer behind.
    const connection = begin(server, call, handler)
    const timer = server.clock.after(call.timeoutMs, () =>
      giveUp(new Error(`no response within ${call.timeoutMs} ms`)),
    )
    call.signal?.addEventListener('abort', onAbort)
  })
}

/** Errors: `upstream_failed`. */
function begin(server: Server, call: JsonCall, handler: ResponseHandler): Connection {
  try {
    return server.pool.send(
      {
        method: call.method,
        path: call.fromRoot ? call.path : `${server.basePath}${call.path}`,
        fields: `accept: application/json\r\n${server.fields}`,
        ...(call.body === undefined ? {} : { body: call.body }),
      },
      handler,
    )
  } catch (error) {
    throw errorFromConnection(error, server.title)
  }
}
