/**
 * The client of one HTTP request: who asked, since when, whether they are still there, and how to
 * answer.
 */
import type { ServerResponse } from 'node:http'
import type { FastifyReply } from 'fastify'
import { IsochroneError, type RequestId } from '../../protocol/index.ts'
import type { Allowance } from '../admission/admission.ts'
import type { Account } from '../admission/credentials.ts'
import { EventStream, type EventStreamOptions } from './event-stream.ts'

export interface ClientOptions extends EventStreamOptions {
  readonly account: Account
  /** Ours; what `x-request-id` says is the caller's own where they sent one. */
  readonly requestId: RequestId
  /** Monotonic ms. */
  readonly arrivedAtMs: number
}

export class Client {
  readonly account: Account
  readonly requestId: RequestId
  readonly arrivedAtMs: number
  readonly #reply: FastifyReply
  readonly #options: ClientOptions
  readonly #controller = new AbortController()

  constructor(reply: FastifyReply, options: ClientOptions) {
    this.account = options.account
    this.requestId = options.requestId
    this.arrivedAtMs = options.arrivedAtMs
    this.#reply = reply
    this.#options = options
    reply.raw.once('close', () => {
      if (!reply.raw.writableFinished) this.leave(gone())
    })
  }

  /** Aborts when the client left. */
  get signal(): AbortSignal {
    return this.#controller.signal
  }

  /** Treats the client as gone: it left, takes nothing more, or the gateway stops. */
  leave(reason: IsochroneError): void {
    this.#controller.abort(reason)
  }

  header(name: string, value: string): void {
    this.#reply.header(name, value)
  }

  allowance({ requests, tokens }: Allowance): void {
    this.#reply.headers({
      'x-ratelimit-limit-requests': String(requests.limit),
      'x-ratelimit-limit-tokens': String(tokens.limit),
      'x-ratelimit-remaining-requests': String(requests.remaining),
      'x-ratelimit-remaining-tokens': String(tokens.remaining),
      'x-ratelimit-reset-requests': duration(requests.resetMs),
      'x-ratelimit-reset-tokens': duration(tokens.resetMs),
    })
  }

  sendJson(body: string): void {
    this.#head({
      'content-type': 'application/json; charset=utf-8',
      'content-length': String(Buffer.byteLength(body)),
    }).end(body)
  }

  openStream(): EventStream {
    const raw = this.#head({
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-cache',
      // nginx would otherwise gather the events of a stream.
      'x-accel-buffering': 'no',
    })
    return new EventStream(raw, (reason) => this.leave(reason), this.#options)
  }

  /** Answers are written past Fastify: there is nothing left to serialize. */
  #head(more: Readonly<Record<string, string>>): ServerResponse {
    this.#reply.hijack()
    const { raw } = this.#reply
    // A client that resets its connection is no more than one that left.
    raw.on('error', () => {})
    return raw.writeHead(200, {
      ...(this.#reply.getHeaders() as Record<string, string>),
      'openai-processing-ms': this.#processingMs(),
      ...more,
    })
  }

  #processingMs(): string {
    return String(Math.round(this.#options.clock.monotonic() - this.arrivedAtMs))
  }
}

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
