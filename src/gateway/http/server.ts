/**
 * The HTTP server: Fastify with our own parser, validator and error shape. A request's life here:
 *
 *   onRequest (id, closing?, API key) → body (size, UTF-8, JSON) → schema → handler → answer
 *        └────────────── any error ──────────────────┴──────────┴─────────┴→ OpenAI's error shape
 */
import type { ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import swagger from '@fastify/swagger'
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import type { TSchema } from 'typebox'
import { type Clock, type Log, type Random, SlotList } from '../../base/index.ts'
import {
  asIsochroneError,
  errorCodes,
  IsochroneError,
  type RequestId,
  requestIdOf,
} from '../../protocol/index.ts'
import { type Admission, anonymous } from '../admission/admission.ts'
import type { Account } from '../admission/credentials.ts'
import type { GatewayLimits } from '../limits.ts'
import type { GatewayMetrics } from '../metrics.ts'
import { compileCheck } from '../openai/validation.ts'
import { parseJson } from './body-parser.ts'
import { Client } from './client.ts'
import { httpError, rawRefusal, sendError } from './errors.ts'
import { openApiInfo } from './openapi.ts'
import { discardBody } from './unread-body.ts'

declare module 'fastify' {
  interface FastifyRequest {
    caller: Caller
  }
  interface FastifyContextConfig {
    /** Whoever reaches the port may ask: health and metrics. */
    open?: boolean
  }
}

/** Who sent a request, and when it came. */
export interface Caller {
  readonly account: Account
  readonly requestId: RequestId
  /** Monotonic ms. */
  readonly arrivedAtMs: number
}

export interface ServerOptions {
  readonly softwareVersion: string
  readonly limits: GatewayLimits
}

export interface ServerModules {
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly admission: Admission
  readonly metrics: GatewayMetrics
}

/** For the last event of a cut stream to reach a client that reads. */
const lastWordMs = 250

/** How often the server looks for requests that take too long to arrive. */
const arrivalCheckIntervalMaxMs = 1000
const callersRequestId = /^[A-Za-z0-9._:-]{1,128}$/
const idLengthBytes = 16

export class HttpServer {
  readonly fastify: FastifyInstance
  readonly #options: ServerOptions
  readonly #modules: ServerModules
  readonly #clients = new SlotList<Client>()
  readonly #routes: { readonly method: string; readonly pattern: RegExp }[] = []
  #closing = false

  constructor(options: ServerOptions, modules: ServerModules) {
    this.#options = options
    this.#modules = modules
    this.fastify = createFastify(options.limits)
    this.#noteRoutes()
    this.#handleErrors()
    this.#greet()
  }

  /** Before any route: the OpenAPI document is gathered from them. */
  async prepare(): Promise<void> {
    await this.fastify.register(swagger, { openapi: openApiInfo(this.#options.softwareVersion) })
  }

  /** @param address `host:port`; resolves with the one bound */
  async listen(address: string): Promise<string> {
    const { host, port } = splitAddress(address)
    try {
      await this.fastify.listen({ host, port })
    } catch (error) {
      throw listenError(error, address)
    }
    const bound = this.fastify.server.address()
    return typeof bound === 'object' && bound !== null ? `${host}:${bound.port}` : address
  }

  /** The client of an inference request, who can be told to leave when the gateway stops. */
  client(request: FastifyRequest, reply: FastifyReply): Client {
    const { clock } = this.#modules
    const { clientStallMs } = this.#options.limits
    const client = new Client(reply, { ...request.caller, clock, clientStallMs })
    const slot = this.#clients.add(client)
    noteAnswer(request.raw.socket, reply.raw)
    reply.raw.once('close', () => {
      this.#clients.remove(slot)
      if (!reply.raw.writableFinished) this.#count(request, reply)
    })
    return client
  }

  /** An answer that its client did not wait for counts with its status, or as left. */
  #count(request: FastifyRequest, { raw }: FastifyReply): void {
    const status = raw.headersSent ? raw.statusCode : errorCodes.client_closed_request.http
    this.#modules.metrics.httpRequest(request.routeOptions.url ?? 'unknown', status)
  }

  async close(): Promise<void> {
    this.#closing = true
    const cut = this.#modules.clock.after(this.#options.limits.closeGraceMs, () => this.#cut())
    await this.fastify.close()
    cut.cancel()
  }

  #cut(): void {
    const reason = new IsochroneError('node_draining', 'The gateway stops.')
    for (const client of this.#clients) client.leave(reason)
    // Each of them is told so, as the last event of its stream, before its connection goes.
    const { clock } = this.#modules
    clock.after(lastWordMs, () => this.fastify.server.closeAllConnections())
  }

  /** The first look at a request: before its body is read, a stranger is turned away. */
  #greet(): void {
    const { clock, metrics, random } = this.#modules
    this.fastify.decorateRequest('caller')
    // Hooks with a callback: a promise for each would be a turn of the queue for every request.
    this.fastify.addHook('onRequest', (request, reply, done) => {
      const requestId = requestIdOf(random.bytes(idLengthBytes))
      const arrivedAtMs = clock.monotonic()
      request.caller = { account: anonymous, requestId, arrivedAtMs }
      reply.header('x-request-id', echoable(request.headers['x-request-id']) ?? requestId)
      done(this.#refusal(request))
    })
    this.fastify.addHook('onResponse', (request, reply, done) => {
      metrics.httpRequest(request.routeOptions.url ?? 'unknown', reply.raw.statusCode)
      done()
    })
  }

  /** Why a request is turned away at once; otherwise notes whose it is. */
  #refusal(request: FastifyRequest): IsochroneError | undefined {
    if (this.#closing) return new IsochroneError('node_draining', 'The gateway stops.')
    if (request.routeOptions.config.open === true || request.is404) return undefined
    try {
      const account = this.#modules.admission.authenticate(request.headers.authorization)
      request.caller = { ...request.caller, account }
      return undefined
    } catch (error) {
      return asIsochroneError(error)
    }
  }

  #handleErrors(): void {
    const { clock, log } = this.#modules
    this.fastify.setErrorHandler(async (error, request, reply) => {
      const failure = httpError(error, this.#options.limits.bodyBytesMax)
      if (failure.code === 'internal') {
        log.error('a request failed', { error: failure.message, stack: failure.stack })
      }
      if (reply.sent || reply.raw.headersSent) return
      if (failure.code === 'request_too_large') await discardBody(request.raw, clock)
      sendError(reply, failure)
      return reply
    })
    this.fastify.setNotFoundHandler((request, reply) => {
      const path = request.url.split('?')[0] ?? ''
      const allowed = this.#methodsOf(path)
      if (allowed.length > 0) reply.header('allow', allowed.join(', '))
      sendError(reply, allowed.length > 0 ? wrongMethod(request, allowed) : nothingHere(request))
    })
  }

  /** The methods with which a path can be asked. */
  #methodsOf(path: string): readonly string[] {
    const fitting = this.#routes.filter(({ pattern }) => pattern.test(path))
    return fitting.map(({ method }) => method)
  }

  /** Notes every route, so that a wrong method at its address is told from a wrong address. */
  #noteRoutes(): void {
    this.fastify.addHook('onRoute', ({ method, url }) => {
      const pattern = new RegExp(`^${url.replaceAll('.', '\\.').replace(/:[a-z]+/gi, '[^/]+')}$`)
      for (const one of [method].flat()) this.#routes.push({ method: one, pattern })
    })
  }
}

/** The first answer on a connection that is not complete yet. */
const answers = new WeakMap<Duplex, ServerResponse>()

function noteAnswer(socket: Duplex, answer: ServerResponse): void {
  const before = answers.get(socket)
  if (before === undefined || before.writableFinished) answers.set(socket, answer)
}

/** Whatever is written now would be taken for a part of that answer. */
function isMidAnswer(socket: Duplex): boolean {
  const answer = answers.get(socket)
  return answer?.headersSent === true && !answer.writableFinished
}

function createFastify(limits: GatewayLimits): FastifyInstance {
  const fastify = Fastify({
    logger: false,
    bodyLimit: limits.bodyBytesMax,
    requestTimeout: limits.requestArrivalMs,
    keepAliveTimeout: limits.keepAliveMs,
    return503OnClosing: false,
    forceCloseConnections: 'idle',
    routerOptions: { maxParamLength: 256 },
    http: {
      headersTimeout: limits.requestArrivalMs,
      requestTimeout: limits.requestArrivalMs,
      connectionsCheckingInterval: Math.min(arrivalCheckIntervalMaxMs, limits.requestArrivalMs),
    },
    clientErrorHandler(error, socket) {
      if (socket.writable && !isMidAnswer(socket)) socket.end(rawRefusal(error.code))
      else socket.destroy()
    },
    frameworkErrors: (error, _request, reply) => {
      sendError(reply, httpError(error, limits.bodyBytesMax))
    },
  })
  fastify.removeAllContentTypeParsers()
  fastify.addContentTypeParser(
    'application/json',
    { parseAs: 'buffer' },
    (_request: FastifyRequest, body: Buffer, done) => {
      let parsed: unknown
      try {
        parsed = parseJson(body)
      } catch (error) {
        done(asIsochroneError(error))
        return
      }
      done(null, parsed)
    },
  )
  fastify.setValidatorCompiler<TSchema>(({ schema }) => {
    const check = compileCheck(schema)
    return (value: unknown) => {
      const error = check(value)
      return error === undefined ? { value } : { error }
    }
  })
  // Answers are rendered by `openai/`; response schemas are documentation.
  fastify.setSerializerCompiler(() => (value) => JSON.stringify(value))
  return fastify
}

function echoable(header: string | string[] | undefined): string | undefined {
  return typeof header === 'string' && callersRequestId.test(header) ? header : undefined
}

function wrongMethod(request: FastifyRequest, allowed: readonly string[]): IsochroneError {
  const message = `${request.method} is not possible here; use ${allowed.join(' or ')}.`
  return new IsochroneError('method_not_allowed', message)
}

function nothingHere(request: FastifyRequest): IsochroneError {
  const path = (request.url.split('?')[0] ?? '').slice(0, 128)
  return new IsochroneError('not_found', `There is nothing at ${path}; see /openapi.json.`)
}

function splitAddress(address: string): { readonly host: string; readonly port: number } {
  const at = address.lastIndexOf(':')
  const host = address.slice(0, at).replace(/^\[|\]$/g, '')
  const port = Number(address.slice(at + 1))
  if (at < 1 || !Number.isInteger(port) || port < 0 || port > 65_535) {
    const message = `'${address}' is not an address; write host:port, as in 127.0.0.1:8080`
    throw new IsochroneError('invalid_configuration', message)
  }
  return { host, port }
}

function listenError(error: unknown, address: string): IsochroneError {
  const { code } = error as { code?: unknown }
  if (code === 'EADDRINUSE') {
    const message = `Another program listens on ${address}; choose another port, or stop it.`
    return new IsochroneError('address_in_use', message, { cause: error })
  }
  const reason = error instanceof Error ? error.message : String(error)
  return new IsochroneError('invalid_configuration', `Cannot listen on ${address}: ${reason}`, {
    cause: error,
  })
}
