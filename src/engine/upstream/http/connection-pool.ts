/**
 * The connections to one upstream server, kept for the next request. HTTP/1.1 and nothing else:
 * a request is one write, a response goes to its handler as it is read.
 */
import type { Clock, Timer } from '../../../base/index.ts'
import { Connection, type Origin, type ResponseHandler } from './connection.ts'

export interface PoolOptions {
  readonly origin: Origin
  /** For the field `Host`. */
  readonly authority: string
  readonly connectTimeoutMs: number
  readonly clock: Clock
}

export interface PoolRequest {
  readonly method: 'GET' | 'POST'
  readonly path: string
  /** Lines, each with its end. */
  readonly fields: string
  readonly body?: string
}

/** Node's servers close after 5 s, as do uvicorn's: earlier is not in the middle of a request. */
const idleDefaultMs = 4_000
const idleMaxMs = 60_000
/** For the end of a response of which all that counts was read: mostly it is in the next packet. */
const restMs = 4_000
/** Before the moment that a server names. */
const idleMarginMs = 1_000

export class ConnectionPool {
  readonly #options: PoolOptions
  readonly #all = new Set<Connection>()
  /** The one that was used last is taken first, so that the others can end. */
  readonly #idle: Connection[] = []
  #sweep: Timer | undefined
  #closed = false

  constructor(options: PoolOptions) {
    this.#options = options
  }

  /** The handler hears of everything that happens, failures included, after this returned. */
  send(request: PoolRequest, handler: ResponseHandler): Connection {
    if (this.#closed) throw new Error('the connections to this server are closed')
    const connection = this.#take()
    connection.send(this.#textOf(request), handler)
    return connection
  }

  /** Who asked has all it wants; the connection is kept if its response ends soon. */
  leave(connection: Connection): void {
    connection.usableUntilMs = this.#options.clock.monotonic() + restMs
    this.#armSweep()
    connection.leave()
  }

  close(): void {
    this.#closed = true
    this.#sweep?.cancel()
    for (const connection of this.#all) connection.close()
  }

  #textOf({ method, path, fields, body }: PoolRequest): string {
    const head = `${method} ${path} HTTP/1.1\r\nhost: ${this.#options.authority}\r\n${fields}`
    if (body === undefined) return `${head}\r\n`
    return `${head}content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`
  }

  #take(): Connection {
    const nowMs = this.#options.clock.monotonic()
    for (;;) {
      const connection = this.#idle.pop()
      if (connection === undefined) break
      if (connection.usableUntilMs > nowMs) return connection
      connection.destroy()
    }
    const { origin, connectTimeoutMs, clock } = this.#options
    const connection = new Connection({
      origin,
      connectTimeoutMs,
      clock,
      onFree: (free) => this.#keep(free),
      onClosed: (gone) => this.#forget(gone),
    })
    this.#all.add(connection)
    return connection
  }

  #keep(connection: Connection): void {
    const { keepAliveSeconds } = connection
    const idleMs =
      keepAliveSeconds === undefined
        ? idleDefaultMs
        : Math.min(keepAliveSeconds * 1000 - idleMarginMs, idleMaxMs)
    if (this.#closed || idleMs <= 0) {
      connection.destroy()
      return
    }
    connection.usableUntilMs = this.#options.clock.monotonic() + idleMs
    this.#idle.push(connection)
    this.#armSweep()
  }

  #forget(connection: Connection): void {
    this.#all.delete(connection)
    const at = this.#idle.indexOf(connection)
    if (at >= 0) this.#idle.splice(at, 1)
  }

  /** One timer for all: a request costs none. */
  #armSweep(): void {
    this.#sweep ??= this.#options.clock.after(idleDefaultMs, () => this.#sweepUnused())
  }

  #sweepUnused(): void {
    this.#sweep = undefined
    const nowMs = this.#options.clock.monotonic()
    let left = false
    for (const connection of this.#all) {
      const { usableUntilMs } = connection
      if (usableUntilMs <= nowMs) connection.destroy()
      else if (usableUntilMs !== Infinity) left = true
    }
    if (left) this.#armSweep()
  }
}
