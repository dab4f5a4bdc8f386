/**
 * One kept-alive HTTP/1.1 connection that sends prepared bytes and notices the end of each answer.
 *
 * Much cheaper than an HTTP client, so that on a small machine the load takes little from what is
 * measured. One request at a time; it connects again when the server has closed.
 */
import { connect, type Socket } from 'node:net'

/** A prepared request, and what shows that its answer is complete. */
export interface PreparedRequest {
  readonly port: number
  readonly bytes: Buffer
  /** Must be among the answer's last bytes; empty: nothing in particular. */
  readonly ending: string
}

type Settle = (error: Error | null) => void

/** Enough to hold the end mark of a stream and the chunk framing around it. */
const tailBytes = 96
const headerEnd = Buffer.from('\r\n\r\n')
const lastChunk = Buffer.from('\r\n0\r\n\r\n')

export class HttpConnection {
  readonly #request: PreparedRequest
  #socket: Socket | undefined
  #settle: Settle | undefined
  #head: Buffer = Buffer.alloc(0)
  #headDone = false
  #status = 0
  /** Body bytes still to come; NaN: until the last chunk; Infinity: until the connection closes. */
  #bodyLeft = 0
  #tail: Buffer = Buffer.alloc(0)

  constructor(request: PreparedRequest) {
    this.#request = request
  }

  /**
   * Sends the request once; `settle` is called when the answer is complete, or with what is wrong.
   */
  send(settle: Settle): void {
    this.#settle = settle
    this.#head = Buffer.alloc(0)
    this.#headDone = false
    this.#tail = Buffer.alloc(0)
    const socket = this.#socket ?? this.#connect()
    socket.write(this.#request.bytes)
  }

  sendAsync(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.send((error) => (error === null ? resolve() : reject(error)))
    })
  }

  close(): void {
    this.#socket?.destroy()
    this.#socket = undefined
  }

  #connect(): Socket {
    const socket = connect({ host: '127.0.0.1', port: this.#request.port, noDelay: true })
    this.#socket = socket
    socket.on('data', (data: Buffer) => this.#onData(data))
    socket.on('error', (error) => this.#finish(error))
    socket.on('close', () => {
      if (this.#socket === socket) this.#socket = undefined
      if (this.#headDone && this.#bodyLeft === Number.POSITIVE_INFINITY) this.#complete()
      this.#finish(new Error('the server closed the connection before the answer was complete'))
    })
    return socket
  }

  #onData(data: Buffer): void {
    if (this.#settle === undefined) return
    let body = data
    if (!this.#headDone) {
      this.#head = this.#head.length === 0 ? data : Buffer.concat([this.#head, data])
      const end = this.#head.indexOf(headerEnd)
      if (end === -1) return
      this.#readHead(this.#head.toString('latin1', 0, end).toLowerCase())
      body = this.#head.subarray(end + headerEnd.length)
    }
    this.#onBody(body)
  }

  #readHead(head: string): void {
    this.#headDone = true
    this.#status = Number(head.slice(9, 12))
    const length = /\ncontent-length: *(\d+)/.exec(head)?.[1]
    if (length !== undefined) this.#bodyLeft = Number(length)
    else this.#bodyLeft = head.includes('chunked') ? Number.NaN : Number.POSITIVE_INFINITY
  }

  #onBody(data: Buffer): void {
    const joined = data.length >= tailBytes ? data : Buffer.concat([this.#tail, data])
    this.#tail = joined.subarray(-tailBytes)
    if (Number.isNaN(this.#bodyLeft)) {
      if (this.#tail.subarray(-lastChunk.length).equals(lastChunk)) this.#complete()
      return
    }
    this.#bodyLeft -= data.length
    if (this.#bodyLeft <= 0) this.#complete()
  }

  #complete(): void {
    const { ending } = this.#request
    if (this.#status !== 200) this.#finish(new Error(`status ${this.#status}`))
    else if (this.#tail.includes(ending)) this.#finish(null)
    else this.#finish(new Error(`the answer does not end with ${ending}`))
  }

  #finish(error: Error | null): void {
    const settle = this.#settle
    this.#settle = undefined
    settle?.(error)
  }
}
