/**
 * The journey of one request, a line per room:
 *
 *   client ─ openai     parse what is asked
 *          │ admission  limits of the key and of the gateway
 *          │ routing    gates → order → pick                 → Decision
 *          │ dispatch   attempts at workers; tokens stream back
 *          ├ evidence   what was seen, at the end of every attempt
 *          └ ledger     what was delivered by it
 *
 * By then the HTTP layer has authenticated the caller and checked the body against its schema. An
 * error anywhere before the first token leaves as an HTTP error in OpenAI's shape; after it, where
 * nobody can go on with the answer, as an event in the stream.
 */
import type { Clock, Log, Random } from '../base/index.ts'
import { AnswerLengths } from '../evidence/index.ts'
import { asIsochroneError, type GenerationRequest, type IsochroneError } from '../protocol/index.ts'
import { type RouteRequest, tellsLength } from '../routing/index.ts'
import type { Admission, Permit } from './admission/admission.ts'
import type { Journeying } from './dispatch/calls.ts'
import type { Answer, Dispatch } from './dispatch/dispatch.ts'
import { type Prefix, Prefixes } from './dispatch/prefixes.ts'
import type { Router } from './dispatch/router.ts'
import { type Figures, noFigures, Trail, type TrailModules } from './dispatch/trail.ts'
import type { Client } from './http/client.ts'
import type { EventStream } from './http/event-stream.ts'
import type { GatewayMetrics, Operation } from './metrics.ts'
import { renderEmbeddings } from './openai/embedding-rendering.ts'
import { renderStreamError } from './openai/error-rendering.ts'
import {
  answerHead,
  answerRenderer,
  choicesOf,
  fingerprintOf,
  streamRenderer,
} from './openai/generation-rendering.ts'
import { parseEmbedding } from './openai/parse-embedding.ts'
import {
  type AskedGeneration,
  noFurther,
  parseChat,
  parseCompletion,
} from './openai/parse-generation.ts'
import type { ChatBody, CompletionBody, EmbeddingBody } from './openai/schemas.ts'
import type { Worker } from './workers/worker.ts'

export interface JourneyModules extends TrailModules {
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly admission: Admission
  readonly router: Router
  readonly dispatch: Dispatch
  readonly metrics: GatewayMetrics
}

/** What a part of the journey reports for the figures at its end. */
interface Arrival {
  readonly figures: Figures
  /** null: answered in full. */
  readonly code: IsochroneError['code'] | null
}

interface Trip {
  readonly operation: Operation
  readonly route: RouteRequest
  /** Of all prompts, estimated. */
  readonly promptTokens: number
  /** Answers that are asked for. */
  readonly choices: number
  readonly further: readonly GenerationRequest[]
  readonly client: Client
  /** Beginnings of the prompt that are worth knowing again. */
  readonly prefixes: readonly Prefix[]
}

export class Journey {
  readonly #modules: JourneyModules
  readonly #prefixes: Prefixes
  readonly #lengths = new AnswerLengths()

  constructor(modules: JourneyModules) {
    this.#modules = modules
    this.#prefixes = new Prefixes(modules.random)
  }

  chat(body: ChatBody, client: Client): Promise<void> {
    const asked = parseChat(body, client.requestId, this.#modules.random)
    return this.#generation(asked, client)
  }

  completion(body: CompletionBody, client: Client): Promise<void> {
    const asked = parseCompletion(body, client.requestId, this.#modules.random)
    return this.#generation(asked, client)
  }

  embedding(body: EmbeddingBody, client: Client): Promise<void> {
    const asked = parseEmbedding(body, client.requestId)
    const { route } = asked
    const { promptTokens } = route
    const one = { promptTokens, choices: 1, further: noFurther, prefixes: [] }
    const trip: Trip = { operation: 'embeddings', route, ...one, client }
    return this.#travel(trip, async (journeying) => {
      const { worker, result } = await this.#modules.dispatch.embed(asked.request, journeying)
      client.header('x-isochrone-worker', worker.id)
      client.sendJson(renderEmbeddings(result, asked.request.model, asked.encoding))
      const counts = { promptTokens: result.promptTokens, completionTokens: 0, cachedTokens: 0 }
      const figures: Figures = { ...noFigures, usage: { type: 'usage', ...counts } }
      return { figures, code: null }
    })
  }

  /** What routing is to know of it, with who has read its beginning and how long answers are. */
  asks(asked: AskedGeneration, client: Client): Pick<Trip, 'route' | 'prefixes'> {
    const { keyId } = client.account
    const prefixes = this.#prefixes.of(asked.request, keyId)
    const warm = prefixes.length === 0 ? [] : this.#prefixes.warm(prefixes, keyId)
    const usualAnswer = this.#lengths.of(asked.route.model, this.#modules.clock.now())
    const route: RouteRequest = {
      ...asked.route,
      ...(warm.length === 0 ? {} : { warm }),
      ...(usualAnswer === undefined ? {} : { usualAnswer }),
    }
    return { prefixes, route }
  }

  #generation(asked: AskedGeneration, client: Client): Promise<void> {
    const operation = asked.request.kind === 'chat' ? 'chat' : 'text_completion'
    client.header('x-isochrone-seed', String(asked.request.sampling.seed))
    const { promptTokens, further } = asked
    const { prefixes, route } = this.asks(asked, client)
    const trip: Trip = {
      operation,
      route,
      promptTokens,
      choices: choicesOf(asked),
      further,
      client,
      prefixes,
    }
    return this.#travel(trip, (journeying) =>
      asked.stream
        ? this.#stream(asked, client, journeying)
        : this.#whole(asked, client, journeying),
    )
  }

  /** What every request has in common: admission, routing, and the figures at the end. */
  async #travel(trip: Trip, carry: (journeying: Journeying) => Promise<Arrival>): Promise<void> {
    const { admission, router } = this.#modules
    const { client, route } = trip
    const permit = this.#admit(trip)
    let arrival: Arrival = { figures: noFigures, code: 'internal' }
    let trail: Trail | undefined
    let hasFailed = true
    try {
      trail = new Trail(router.route(route, client.account.keyId), this.#modules)
      const { arrivedAtMs, departure } = client
      const arriving = carry({ trail, arrivedAtMs, departure, further: trip.further })
      // The worker is at it by now: nobody waits for what the answer's head says besides.
      client.header('x-isochrone-decision', trail.decision.id)
      client.allowance(admission.allowance(client.account))
      arrival = await arriving
      hasFailed = false
    } catch (error) {
      const { code } = asIsochroneError(error)
      // Who leaves while the answer is gathered has had work done; who is failed has not.
      const figures = code === 'client_closed_request' ? trail?.figures : undefined
      arrival = { figures: figures ?? noFigures, code }
      throw error
    } finally {
      // First: what a record of the request may fail at must not keep its place taken.
      permit.release(tokensOf(arrival, trip.promptTokens))
      // Its tokens were given back, as its refusal is to say.
      if (hasFailed) client.allowance(admission.allowance(client.account))
      if (trail !== undefined) this.#leave(trip, trail, arrival)
    }
  }

  #leave(trip: Trip, trail: Trail, arrival: Arrival): void {
    const { client, prefixes } = trip
    try {
      trail.close()
      if (prefixes.length === 0) return
      // Behind it may stand one that was asked beside it, and was not needed.
      const done = trail.decision.attempts.findLast(({ outcome }) => outcome === 'completed')
      if (done !== undefined) this.#prefixes.wasRead(prefixes, client.account.keyId, done.worker)
    } finally {
      this.#learnLength(trip, arrival)
      this.#measure(trip, arrival, trail)
      this.#prepare(trail)
    }
  }

  /** Of answers that came to their end. */
  #learnLength({ choices, operation, route }: Trip, { code, figures }: Arrival): void {
    if (code !== null || operation === 'embeddings') return
    const { clock, router } = this.#modules
    if (!tellsLength(route, router.policy)) return
    const tokens = (figures.usage?.completionTokens ?? figures.deltaTokens) / choices
    this.#lengths.add(route.model, tokens, clock.now())
  }

  /** While nobody waits: the next request finds everything looked at. */
  #prepare({ decision }: Trail): void {
    const { admission, registry } = this.#modules
    if (admission.inFlight === 0) registry.catchUp(decision.model)
  }

  #measure({ operation, client }: Trip, arrival: Arrival, trail: Trail): void {
    const { clock, metrics, registry } = this.#modules
    const { figures, code } = arrival
    const { tpotMs, usage } = figures
    // The names of models that nobody offers are the client's invention.
    const asked = trail.decision.model
    const model = registry.knows(asked) ? asked : 'other'
    const totalMs = clock.monotonic() - client.arrivedAtMs
    const waitedMs = trail.startedAtMs - client.arrivedAtMs
    const ttftMs = figures.ttftMs === null ? null : waitedMs + figures.ttftMs
    metrics.request({ operation, model, totalMs, ttftMs, tpotMs, usage, code })
  }

  #admit({ client, route, promptTokens, choices }: Trip): Permit {
    const { admission, metrics } = this.#modules
    try {
      // A prompt is read once, however many answers to it are asked for.
      const tokens = promptTokens + choices * (route.maxTokens ?? 0)
      return admission.admit(client.account, tokens)
    } catch (error) {
      client.allowance(admission.allowance(client.account))
      metrics.refusal(asIsochroneError(error).code)
      throw error
    }
  }

  /**
   * Also here the worker is asked for a stream: its tokens are watched, and nothing is sent before
   * the end.
   */
  async #whole(asked: AskedGeneration, client: Client, journeying: Journeying): Promise<Arrival> {
    const { dispatch, clock } = this.#modules
    const { worker, offer, collected, completed } = await dispatch.whole(
      asked.request,
      journeying,
      () => answerRenderer(asked, answerHead(asked, clock.now())),
    )
    client.header('x-isochrone-worker', worker.id)
    let figures = noFigures
    try {
      client.sendJson(collected.render(fingerprintOf(offer)))
    } finally {
      // The client does not wait for what is only for the books.
      figures = completed()
    }
    return { figures, code: null }
  }

  async #stream(asked: AskedGeneration, client: Client, journeying: Journeying): Promise<Arrival> {
    const { dispatch } = this.#modules
    const answer = await dispatch.stream(asked.request, journeying)
    const code = await this.#deliver(asked, client, answer)
    return { figures: answer.figures(), code }
  }

  /** A batch of events becomes one write. */
  async #deliver(
    asked: AskedGeneration,
    client: Client,
    answer: Answer,
  ): Promise<IsochroneError['code'] | null> {
    const renderer = streamRenderer(
      asked,
      answerHead(asked, this.#modules.clock.now()),
      answer.offer,
    )
    let stream: EventStream | undefined
    try {
      for await (const batch of answer.batches) {
        const opening = stream === undefined ? renderer.open() : ''
        stream ??= openStream(client, answer.worker)
        const text = opening + renderer.batch(batch)
        const full = text === '' ? undefined : stream.write(text)
        if (full !== undefined) await full
      }
      stream ??= openStream(client, answer.worker)
      stream.end(renderer.close())
      return null
    } catch (error) {
      if (stream === undefined) throw error
      const failure = asIsochroneError(error)
      if (failure.code === 'internal')
        this.#modules.log.error(failure.message, { stack: failure.stack })
      stream.end(renderStreamError(failure))
      return failure.code
    }
  }
}

function openStream(client: Client, worker: Worker): EventStream {
  client.header('x-isochrone-worker', worker.id)
  return client.openStream()
}

/**
 * undefined: nobody counted, so the estimate stands; a request without an answer costs nothing.
 * Who leaves in the middle of an answer pays for what is known of it, or leaving would be free.
 */
function tokensOf({ figures, code }: Arrival, promptTokens: number): number | undefined {
  const { usage, ttftMs } = figures
  if (usage !== undefined) return usage.promptTokens + usage.completionTokens
  if (code === null) return undefined
  return ttftMs === null ? 0 : promptTokens + figures.deltaTokens
}
