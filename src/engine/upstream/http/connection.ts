/** One connection to an upstream server: a request at a time, its response to whoever asked. */
import { connect as connectTcp, isIP, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import type { Clock, Timer } from '../../../base/index.ts'
import { ResponseFault } from './response-fault.ts'
import { type ResponseEvents, type ResponseHead, ResponseParser } from './response-parser.ts'

export interface ResponseHandler extends ResponseEvents {
  /** The connection broke, or what came is no response. Nothing follows. */
  onError(error: Error): void
}

export interface Origin {
  readonly isTls: boolean
  readonly host: string
  readonly port: number
}

export interface ConnectionOptions {
  readonly origin: Origin
  readonly connectTimeoutMs: number
  readonly clock: Clock
  /** The response is complete, and the connection free for the next request. */
  readonly onFree: (connection: Connection) => void
  /** It can be used no more. May be said twice. */
  readonly onClosed: (connection: Connection) => void
}

/**
 * What comes is read into one piece of memory for all connections: each read is dealt with before
 * the next one.
 */
const readBytes = 64 * 1024
const readMemory = Buffer.allocUnsafeSlow(readBytes)

export class Connection implements ResponseEvents {
  /**
   * Monotonic ms until which it may wait for its next request, or for the end of a response that
   * nobody reads.
   */
  usableUntilMs = Infinity
  readonly #options: ConnectionOptions
  readonly #socket: Socket
  readonly #parser = new ResponseParser(this)
  #connecting: Timer | undefined
  #handler: ResponseHandler | undefined
  #failure: Error | undefined
  #paused = false
  /** The response is, of which the last piece is being read. */
  #complete = false

  constructor(options: ConnectionOptions) {
    this.#options = options
    this.#socket = open(options.origin, (bytes) => this.#read(bytes))
    this.#connecting = options.clock.after(options.connectTimeoutMs, () => {
      this.#socket.destroy(new Error(`no connection within ${options.connectTimeoutMs} ms`))
    })
    const connected = options.origin.isTls ? 'secureConnect' : 'connect'
    this.#socket.on(connected, () => this.#connecting?.cancel())
    this.#socket.on('end', () => this.#ended())
    this.#socket.on('error', (error) => {
      this.#failure ??= error
      // The end of the socket is told later than this; until then it must not be taken again.
      options.onClosed(this)
    })
    this.#socket.on('close', () => this.#closed())
  }

  /** @param text the whole request */
  send(text: string, handler: ResponseHandler): void {
    this.#handler = handler
    this.usableUntilMs = Infinity
    this.#parser.begin()
    this.#socket.write(text)
  }

  /** How long the server keeps an idle connection, where it says so. */
  get keepAliveSeconds(): number | undefined {
    return this.#parser.keepAliveSeconds
  }

  get paused(): boolean {
    return this.#paused
  }

  /** The handler gets nothing more until `resume`, but for what was read already. */
  pause(): void {
    this.#paused = true
    this.#socket.pause()
  }

  resume(): void {
    this.#paused = false
    this.#socket.resume()
  }

  /** Its handler hears nothing more; the rest of the response is read over. */
  leave(): void {
    this.#handler = undefined
    if (this.#paused) this.resume()
  }

  /** Gives the connection up; its handler hears nothing more. */
  destroy(): void {
    this.#handler = undefined
    this.#socket.destroy()
  }

  /** The same, but its handler is told. */
  close(): void {
    this.#failure ??= new Error('the connections to this server are closed')
    this.#socket.destroy()
  }

  /** For the parser only. */
  onHead(head: ResponseHead): void {
    this.#handler?.onHead(head)
  }

  onData(bytes: Buffer, isLast: boolean): void {
    this.#handler?.onData(bytes, isLast)
  }

  onEnd(): void {
    this.#complete = true
  }

  #read(bytes: Buffer): void {
    let fault: unknown
    try {
      this.#parser.push(bytes)
    } catch (error) {
      fault = error
    }
    this.#settle(fault)
  }

  #ended(): void {
    let fault: unknown
    try {
      this.#parser.finish()
    } catch (error) {
      fault = error
    }
    this.#settle(fault)
    this.#retire()
  }

  /**
   * What follows a complete response belongs to nobody: the response counts, the connection does
   * not. So both are decided when all that was read has been looked at.
   */
  #settle(fault: unknown): void {
    const isSound = fault === undefined
    if (!isSound) this.#failure ??= fault instanceof Error ? fault : new Error(String(fault))
    if (!this.#complete) {
      if (!isSound) this.#retire()
      return
    }
    this.#complete = false
    const handler = this.#handler
    this.#handler = undefined
    // A server that answers before it has read the whole request will not read the rest.
    const isFree = isSound && this.#parser.persistent && this.#socket.writableLength === 0
    if (this.#paused) this.resume()
    if (isFree && !this.#socket.destroyed) this.#options.onFree(this)
    else this.#retire()
    handler?.onEnd()
  }

  /** Nothing is sent over it any more. */
  #retire(): void {
    this.#options.onClosed(this)
    this.#socket.destroy()
  }

  #closed(): void {
    this.#connecting?.cancel()
    this.#options.onClosed(this)
    const handler = this.#handler
    this.#handler = undefined
    handler?.onError(this.#failure ?? new ResponseFault('the connection was closed'))
  }
}

function open({ isTls, host, port }: Origin, read: (bytes: Buffer) => void): Socket {
  const onread = {
    buffer: readMemory,
    callback(length: number, memory: Uint8Array): boolean {
      read((memory as Buffer).subarray(0, length))
      return true
    },
  }
  const options = { host, port, noDelay: true, onread }
  if (!isTls) return connectTcp(options)
  const servername = isIP(host) === 0 ? host : ''
  return connectTls({ ...options, servername, ALPNProtocols: ['http/1.1'] }).setNoDelay(true)
}
