/** For end-to-end tests: a TCP relay on loopback that delays, throttles, stalls and cuts. */
import { once } from 'node:events'
import {
  type AddressInfo,
  createConnection,
  createServer,
  type Server,
  type Socket,
} from 'node:net'
import type { Random } from '../base/index.ts'

export interface RelayFault {
  /** One way, each piece; `jitterMs` more at most. */
  readonly delayMs: number
  readonly jitterMs: number
  /** Each connection, each way. */
  readonly bytesPerSecond: number
}

const perfect: RelayFault = { delayMs: 0, jitterMs: 0, bytesPerSecond: Number.POSITIVE_INFINITY }

export class FaultyRelay {
  readonly address: string
  readonly #server: Server
  readonly #random: Random
  readonly #targetPort: number
  readonly #lines = new Set<Line>()
  /** Handed on, both ways. */
  bytes = 0
  #fault = perfect
  #isStalled = false

  private constructor(server: Server, targetPort: number, random: Random) {
    this.#server = server
    this.#targetPort = targetPort
    this.#random = random
    this.address = `127.0.0.1:${(server.address() as AddressInfo).port}`
    server.on('connection', (socket) => this.#connect(socket))
  }

  static async to(targetPort: number, random: Random): Promise<FaultyRelay> {
    const server = createServer()
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return new FaultyRelay(server, targetPort, random)
  }

  /** From now on; bytes on their way keep their time. */
  set(fault: Partial<RelayFault>): void {
    this.#fault = { ...perfect, ...fault }
  }

  /** Nothing goes through until `resume`; no connection breaks. */
  stall(): void {
    this.#isStalled = true
  }

  resume(): void {
    this.#isStalled = false
    for (const line of this.#lines) line.flush()
  }

  /** Every connection breaks at once, in the middle of whatever it carries. */
  cut(): void {
    for (const line of this.#lines) line.destroy()
  }

  async close(): Promise<void> {
    this.cut()
    this.#server.close()
    await once(this.#server, 'close')
  }

  #connect(socket: Socket): void {
    const target = createConnection(this.#targetPort, '127.0.0.1')
    const sockets = [socket, target] as const
    const lines = [this.#line(socket, target), this.#line(target, socket)]
    for (const end of sockets) {
      end.setNoDelay(true)
      end.on('error', () => {})
      end.on('close', () => {
        for (const other of sockets) other.destroy()
        for (const line of lines) this.#lines.delete(line)
      })
    }
  }

  #line(from: Socket, to: Socket): Line {
    const waitMs = () => this.#fault.delayMs + this.#random.float() * this.#fault.jitterMs
    const line = new Line(from, to, {
      waitMs,
      bytesPerSecond: () => this.#fault.bytesPerSecond,
      isStalled: () => this.#isStalled,
      onBytes: (bytes) => {
        this.bytes += bytes
      },
    })
    this.#lines.add(line)
    return line
  }
}

interface Conduct {
  readonly waitMs: () => number
  readonly bytesPerSecond: () => number
  readonly isStalled: () => boolean
  readonly onBytes: (bytes: number) => void
}

/** Beyond this the relay reads no further: the sender feels it, as it would feel a full path. */
const heldBytesMax = 256 * 1024

/** One direction of one connection. */
class Line {
  readonly #from: Socket
  readonly #to: Socket
  readonly #conduct: Conduct
  #held: { readonly atMs: number; readonly bytes: Buffer }[] = []
  #heldBytes = 0
  /** When the path is free for the next piece. */
  #freeAtMs = 0
  #timer: NodeJS.Timeout | undefined

  constructor(from: Socket, to: Socket, conduct: Conduct) {
    this.#from = from
    this.#to = to
    this.#conduct = conduct
    from.on('data', (bytes: Buffer) => this.#take(bytes))
    from.on('close', () => clearTimeout(this.#timer))
  }

  destroy(): void {
    this.#from.destroy()
    this.#to.destroy()
  }

  flush(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    if (this.#conduct.isStalled()) return
    const now = performance.now()
    while (this.#held[0] !== undefined && this.#held[0].atMs <= now) {
      const { bytes } = this.#held.shift() as { bytes: Buffer }
      this.#heldBytes -= bytes.length
      this.#to.write(bytes)
    }
    if (this.#heldBytes < heldBytesMax) this.#from.resume()
    const next = this.#held[0]
    if (next === undefined || this.#from.destroyed) return
    this.#timer = setTimeout(() => this.flush(), Math.max(1, next.atMs - now))
  }

  #take(bytes: Buffer): void {
    const now = performance.now()
    this.#conduct.onBytes(bytes.length)
    const sendingMs = (bytes.length / this.#conduct.bytesPerSecond()) * 1_000
    this.#freeAtMs = Math.max(now, this.#freeAtMs) + sendingMs
    const earliest = this.#held.at(-1)?.atMs ?? 0
    this.#held.push({ atMs: Math.max(earliest, this.#freeAtMs + this.#conduct.waitMs()), bytes })
    this.#heldBytes += bytes.length
    if (this.#heldBytes >= heldBytesMax) this.#from.pause()
    if (this.#timer === undefined) this.flush()
  }
}
