/**
 * The HTTP server, on Node's own. A request's life here:
 *
 *   arrive (id) → route → API key → body (size, UTF-8, JSON) → check → handle → answer
 *      └───────────── any error ────────────────────┴────────────┴───────┴→ OpenAI's error shape
 */
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import { type Clock, type Log, type Random, SlotList } from '../../base/index.ts'
import { asIsochroneError, IsochroneError, requestIdOf } from '../../protocol/index.ts'
import type { Admission } from '../admission/admission.ts'
import type { GatewayLimits } from '../limits.ts'
import type { GatewayMetrics } from '../metrics.ts'
import { Answer, Client, type ClientContext } from './client.ts'
import { rawRefusal, sendError } from './errors.ts'
import { IncomingRequest } from './incoming-request.ts'
import { createServer } from './node-http.ts'
import { readJson } from './request-body.ts'
import { hasId, idIn, type Route, RouteTable } from './route-table.ts'
import { discardBody } from './unread-body.ts'

export interface ServerModules {
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly admission: Admission
  readonly metrics: GatewayMetrics
}

/** For the last event of a cut stream to reach a client that reads. */
const lastWordMs = 250
/** For a few hundred bytes to reach whoever sent something else than HTTP. */
export const refusalTakenMs = 5_000
/** How often the server looks for requests that take too long to arrive. */
const arrivalCheckIntervalMaxMs = 1000
const idLengthBytes = 16

export class HttpServer {
  readonly #limits: GatewayLimits
  readonly #modules: ServerModules
  readonly #routes: RouteTable
  readonly #server: Server
  readonly #context: ClientContext
  /** Whose answers are not complete. */
  readonly #clients = new SlotList<Client>()
  #closing = false

  constructor(routes: readonly Route[], limits: GatewayLimits, modules: ServerModules) {
    this.#routes = new RouteTable(routes)
    this.#limits = limits
    this.#modules = modules
    this.#context = {
      clock: modules.clock,
      clientStallMs: limits.clientStallMs,
      isClosing: () => this.#closing,
      onClosed: (client) => this.#closed(client),
    }
    this.#server = this.#listener()
  }

  /** @param address `host:port`; resolves with the one bound */
  listen(address: string): Promise<string> {
    const { host, port } = splitAddress(address)
    return new Promise((resolve, reject) => {
      const onError = (error: Error) => reject(listenError(error, address))
      this.#server.once('error', onError)
      this.#server.listen({ host, port }, () => {
        this.#server.off('error', onError)
        // A connection that could not be accepted, mostly for want of a file descriptor.
        this.#server.on('error', (error) => {
          this.#modules.log.warn('no connection was accepted', { error: error.message })
        })
        resolve(`${host}:${(this.#server.address() as AddressInfo).port}`)
      })
    })
  }

  /** Answers under way get `closeGraceMs`; then they are cut. */
  async close(): Promise<void> {
    this.#closing = true
    const cut = this.#modules.clock.after(this.#limits.closeGraceMs, () => this.#cut())
    await new Promise((resolve) => this.#server.close(resolve))
    cut.cancel()
  }

  #cut(): void {
    const reason = new IsochroneError('node_draining', 'The gateway stops.')
    for (const client of this.#clients) client.leave(reason)
    // Each of them is told so, as the last event of its stream, before its connection goes.
    const { clock } = this.#modules
    clock.after(lastWordMs, () => this.#server.closeAllConnections())
  }

  #listener(): Server {
    const { requestArrivalMs, keepAliveMs } = this.#limits
    const server = createServer<typeof IncomingRequest, typeof Answer>({
      IncomingMessage: IncomingRequest,
      ServerResponse: Answer,
      headersTimeout: requestArrivalMs,
      requestTimeout: requestArrivalMs,
      connectionsCheckingInterval: Math.min(arrivalCheckIntervalMaxMs, requestArrivalMs),
      keepAliveTimeout: keepAliveMs,
      // Checked here, so that the refusal has our shape.
      requireHostHeader: false,
    })
    server.on('request', (_request, answer) => this.#arrived(answer))
    // An expectation that nobody here knows is nobody's: RFC 9110, section 10.1.1.
    server.on('checkExpectation', (_request, answer) => this.#arrived(answer as Answer))
    server.on('clientError', (error: NodeJS.ErrnoException, socket: Duplex) => {
      if (socket.writable && !this.#isMidAnswer(socket)) this.#refuse(socket, error.code)
      else socket.destroy()
    })
    return server
  }

  /** Who reads the refusal closes its side; nobody else here watches over this connection now. */
  #refuse(socket: Duplex, code: string | undefined): void {
    socket.end(rawRefusal(code))
    const timer = this.#modules.clock.after(refusalTakenMs, () => socket.destroy())
    socket.once('close', () => timer.cancel())
  }

  /** Whatever is written now would be taken for a part of an answer. */
  #isMidAnswer(socket: Duplex): boolean {
    for (const client of this.#clients) if (client.isMidAnswerOn(socket)) return true
    return false
  }

  #arrived(answer: Answer): void {
    const requestId = requestIdOf(this.#modules.random.bytes(idLengthBytes))
    const client = new Client(answer, requestId, this.#context)
    client.slot = this.#clients.add(client)
    this.#serve(client).catch((error: unknown) => this.#failed(client, error))
  }

  async #serve(client: Client): Promise<void> {
    if (this.#closing) throw new IsochroneError('node_draining', 'The gateway stops.')
    const { request } = client
    const route = this.#routeOf(client)
    if (route.open !== true) {
      client.identify(this.#modules.admission.authenticate(request.headers.authorization))
    }
    if (route.counts === true) this.#count(client)
    if (route.check === undefined) {
      await route.handle(client, undefined)
      return
    }
    const body = await readJson(request, this.#limits.bodyBytesMax)
    const fault = route.check(body)
    if (fault !== undefined) throw fault
    await route.handle(client, body)
  }

  #count(client: Client): void {
    const { admission, metrics } = this.#modules
    try {
      admission.count(client.account)
    } catch (error) {
      metrics.refusal(asIsochroneError(error).code)
      throw error
    } finally {
      client.allowance(admission.allowance(client.account))
    }
  }

  /** @throws IsochroneError `not_found`, `method_not_allowed`, `invalid_request` */
  #routeOf(client: Client): Route {
    const { headers, httpVersion, method = '' } = client.request
    if (headers.host === undefined && httpVersion === '1.1') {
      throw new IsochroneError('invalid_request', 'The header Host is missing.')
    }
    const [path = ''] = client.url.split('?', 1)
    const routes = this.#routes.at(path)
    const asked = method === 'HEAD' ? 'GET' : method
    const route = routes.find((one) => one.method === asked)
    if (route === undefined) throw routes.length > 0 ? wrongMethod(client, routes) : noRoute(path)
    client.route = route.path
    if (!hasId(route)) return route
    const id = idIn(path, route)
    if (id === undefined) throw new IsochroneError('invalid_request', 'The address is malformed.')
    client.id = id
    return route
  }

  async #failed(client: Client, error: unknown): Promise<void> {
    const { clock, log } = this.#modules
    const failure = asIsochroneError(error)
    if (failure.code === 'internal') {
      log.error('a request failed', { error: failure.message, stack: failure.stack })
    }
    if (failure.code === 'request_too_large') await discardBody(client.request, clock)
    if (!client.isAnswered) sendError(client, failure)
  }

  #closed(client: Client): void {
    this.#clients.remove(client.slot)
    this.#modules.metrics.httpRequest(client.route, client.status)
    // Its connection, where it is kept alive, is idle only after this turn.
    if (this.#closing) setImmediate(() => this.#server.closeIdleConnections())
  }
}

function wrongMethod(client: Client, routes: readonly Route[]): IsochroneError {
  const allowed = routes.map(({ method }) => method)
  client.header('allow', allowed.join(', '))
  const message = `${client.request.method} is not possible here; use ${allowed.join(' or ')}.`
  return new IsochroneError('method_not_allowed', message)
}

function noRoute(path: string): IsochroneError {
  const message = `There is nothing at ${path.slice(0, 128)}; see /openapi.json.`
  return new IsochroneError('not_found', message)
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

const listenReasons: Readonly<Record<string, string>> = {
  EADDRNOTAVAIL: 'no interface of this machine has that address.',
  EACCES: 'this user may not take that port; choose one from 1024 on.',
  ENOTFOUND: 'no machine of that name is known here.',
}

function listenError(error: NodeJS.ErrnoException, address: string): IsochroneError {
  if (error.code === 'EADDRINUSE') {
    const message = `Another program listens on ${address}; choose another port, or stop it.`
    return new IsochroneError('address_in_use', message, { cause: error })
  }
  const message = `Cannot listen on ${address}: ${listenReasons[error.code ?? ''] ?? error.message}`
  return new IsochroneError('invalid_configuration', message, { cause: error })
}
