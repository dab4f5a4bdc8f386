/**
 * The client of one HTTP request: who asked, since when, whether they are still there, and how to
 * answer.
 */
import type { Duplex } from 'node:stream'
import type { Clock } from '../../base/index.ts'
import { errorCodes, IsochroneError, type RequestId } from '../../protocol/index.ts'
import { type Allowance, anonymous } from '../admission/admission.ts'
import type { Account } from '../admission/credentials.ts'
import { Departure } from '../dispatch/departure.ts'
import { EventStream } from './event-stream.ts'
import type { IncomingRequest } from './incoming-request.ts'
import { ServerResponse } from './node-http.ts'
import { limitTaking, type TakingOptions } from './taking-limit.ts'

/** Node's, with the client whom it answers. */
export class Answer extends ServerResponse<IncomingRequest> {
  client: Client | undefined = undefined
}

/** What all clients of a server share. */
export interface ClientContext extends TakingOptions {
  readonly clock: Clock
  /** Connections end with their answers. */
  isClosing(): boolean
  /** Called once, when the answer is complete or the connection is gone. */
  onClosed(client: Client): void
}

export class Client {
  readonly request: IncomingRequest
  readonly requestId: RequestId
  /** Monotonic ms. */
  readonly arrivedAtMs: number
  /** Told when the client left. */
  readonly departure = new Departure()
  /** What stands for `:id` in the route's path. */
  id = ''
  /** The route's pattern; never what the client wrote. */
  route = 'unknown'
  /** Where it is kept among those whose answers are not complete. */
  slot = 0
  #account: Account = anonymous
  readonly #answer: Answer
  readonly #context: ClientContext
  /** Names and values in turn, as Node writes them. */
  readonly #headers: string[]
  /** As they were told last: what a request has cost is known at its end. */
  #limits: readonly string[] = noLimits

  /** @param requestId ours; `x-request-id` says the caller's own where they sent one */
  constructor(answer: Answer, requestId: RequestId, context: ClientContext) {
    this.request = answer.req
    this.requestId = requestId
    this.arrivedAtMs = context.clock.monotonic()
    this.#answer = answer
    this.#context = context
    this.#headers = ['x-request-id', echoable(this.request.headers['x-request-id']) ?? requestId]
    answer.client = this
    answer.on('close', onClose)
    // A client that resets its connection is no more than one that left.
    answer.on('error', ignore)
  }

  /** `anonymous` until the key is known. */
  get account(): Account {
    return this.#account
  }

  /** The request's target: path and query. */
  get url(): string {
    return this.request.url ?? '/'
  }

  identify(account: Account): void {
    this.#account = account
  }

  /** Whether the answer has begun, or nobody is there to take one. */
  get isAnswered(): boolean {
    return this.#answer.headersSent || this.#answer.destroyed
  }

  /** Whether an answer over this connection has begun, and is not complete. */
  isMidAnswerOn(socket: Duplex): boolean {
    const { headersSent, writableFinished } = this.#answer
    return this.request.socket === socket && headersSent && !writableFinished
  }

  /** The status that the client got, or the one for a client that left before. */
  get status(): number {
    const { headersSent, statusCode } = this.#answer
    return headersSent ? statusCode : errorCodes.client_closed_request.http
  }

  /** Treats the client as gone: it left, takes nothing more, or the gateway stops. */
  leave(reason: IsochroneError): void {
    this.departure.depart(reason)
  }

  header(name: string, value: string): void {
    this.#headers.push(name, value)
  }

  allowance({ requests, tokens }: Allowance): void {
    this.#limits = [
      'x-ratelimit-limit-requests',
      String(requests.limit),
      'x-ratelimit-limit-tokens',
      String(tokens.limit),
      'x-ratelimit-remaining-requests',
      String(requests.remaining),
      'x-ratelimit-remaining-tokens',
      String(tokens.remaining),
      'x-ratelimit-reset-requests',
      duration(requests.resetMs),
      'x-ratelimit-reset-tokens',
      duration(tokens.resetMs),
    ]
  }

  /** An answer to an inference request. */
  sendJson(body: string): void {
    this.#noteTime()
    this.send(200, jsonType, body)
  }

  send(status: number, contentType: string, body: string): void {
    this.#headers.push('content-type', contentType)
    this.#headers.push('content-length', String(Buffer.byteLength(body)))
    this.#head(status).end(body)
    limitTaking(this.#answer, (reason) => this.leave(reason), this.#context)
  }

  openStream(): EventStream {
    this.#noteTime()
    this.#headers.push('content-type', 'text/event-stream; charset=utf-8')
    this.#headers.push('cache-control', 'no-cache')
    // nginx would otherwise gather the events of a stream.
    this.#headers.push('x-accel-buffering', 'no')
    return new EventStream(this.#head(200), (reason) => this.leave(reason), this.#context)
  }

  /** Only for the answer's own event. */
  closed(): void {
    if (!this.#answer.writableFinished) this.leave(gone())
    this.#context.onClosed(this)
  }

  #head(status: number): Answer {
    if (this.#context.isClosing()) this.#answer.shouldKeepAlive = false
    for (const part of this.#limits) this.#headers.push(part)
    return this.#answer.writeHead(status, this.#headers)
  }

  #noteTime(): void {
    const processingMs = Math.round(this.#context.clock.monotonic() - this.arrivedAtMs)
    this.#headers.push('openai-processing-ms', String(processingMs))
  }
}

const noLimits: readonly string[] = []

export const jsonType = 'application/json; charset=utf-8'

const callersRequestId = /^[A-Za-z0-9._:-]{1,128}$/

function echoable(header: string | string[] | undefined): string | undefined {
  return typeof header === 'string' && callersRequestId.test(header) ? header : undefined
}

/** One for all answers: a listener of its own would outlive each by a collection. */
function onClose(this: Answer): void {
  this.client?.closed()
}

function ignore(): void {}

function gone(): IsochroneError {
  return new IsochroneError('client_closed_request', 'The client left before the answer was whole.')
}

/** As OpenAI writes it: `20ms`, `7.66s`, `6m0s`. */
export function duration(ms: number): string {
  if (ms < 1000) return `${ms}ms`
  const seconds = ms / 1000
  if (seconds < 60) return `${Number(seconds.toFixed(2))}s`
  return `${Math.floor(seconds / 60)}m${Math.ceil(seconds % 60)}s`
}
