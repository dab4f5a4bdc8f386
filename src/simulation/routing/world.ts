/**
 * A run: gateways, nodes and the ways between them, event by event. What a gateway does around its
 * balancer is what the product's dispatch does: up to three attempts, each elsewhere; whoever falls
 * silent is given up; an answer that breaks off goes on at another node from what it has.
 */
import { ManualClock, type Random, seededRandom } from '../../base/index.ts'
import type { ErrorCode } from '../../protocol/index.ts'
import { Agenda, type Entry } from '../agenda.ts'
import type { LatencyMatrix } from '../network/latency-matrix.ts'
import { Links } from '../network/links.ts'
import { Placement } from '../network/placement.ts'
import type { Arrival } from './arrivals.ts'
import { type Attempt, endedAttempt, type Gateway, type Journey, objectiveOf } from './attempt.ts'
import type { BalancerMaker, Sight } from './balancer.ts'
import type { Job } from './engine.ts'
import type { FleetNode } from './fleet.ts'
import { gatewayId, type Liars, startTalk } from './gateway-talk.ts'
import { deadAfterMs, drainMs, jitterShare, limits, lookEveryMs, overdueAfterMs } from './limits.ts'
import { misdeeds } from './misbehaviour.ts'
import { SimNode } from './sim-node.ts'
import { Tally } from './tally.ts'

export interface WorldOptions {
  readonly seed: number
  readonly lengthMs: number
  readonly gateways: number
  readonly matrix: LatencyMatrix
  readonly nodes: readonly FleetNode[]
  readonly arrivals: readonly Arrival[]
  readonly makeBalancer: BalancerMaker
  readonly liars: Liars
}

export class RoutingWorld {
  readonly #options: WorldOptions
  /** From 0, so that fractions of a µs still count. */
  readonly #clock = new ManualClock(0)
  readonly #agenda = new Agenda<Entry & { readonly what: () => void }>()
  readonly #random: Random
  readonly #links: Links
  readonly #sentBy: number[]
  readonly #nodes: readonly SimNode[]
  readonly #gateways: readonly Gateway[]
  readonly #tally: Tally
  #order = 0
  #tickets = 0

  constructor(options: WorldOptions) {
    this.#options = options
    const { seed, nodes, gateways, matrix } = options
    this.#random = seededRandom(seed * 16 + 3)
    const hosts = gateways + nodes.length
    const placement = new Placement(matrix, hosts, seededRandom(seed * 16 + 4))
    this.#links = new Links({ seed, loss: 0, jitterShare }, placement)
    this.#sentBy = Array.from({ length: hosts }, () => 0)
    this.#nodes = nodes.map((spec, index) => new SimNode(index, gateways + index, spec))
    this.#gateways = Array.from({ length: gateways }, (_, host) => this.#gateway(host, placement))
    this.#tally = new Tally(nodes, options.lengthMs)
  }

  run(onSecond: (nowMs: number) => void): Tally {
    const { arrivals, lengthMs } = this.#options
    for (const node of this.#nodes) this.#planSessions(node)
    for (const gateway of this.#gateways) this.#at(lookEveryMs, () => this.#look(gateway))
    this.#planArrival(0)
    const talk = { clock: this.#clock, at: this.#at.bind(this), after: this.#after.bind(this) }
    startTalk(this.#gateways, this.#options.liars, talk)
    for (let atMs = 1_000; atMs <= lengthMs; atMs += 1_000) this.#at(atMs, () => onSecond(atMs))
    const endMs = lengthMs + drainMs
    while (this.#agenda.nextAtMs <= endMs) {
      const { atMs, what } = this.#agenda.take()
      this.#clock.advance(Math.max(0, atMs - this.#now))
      what()
    }
    for (const { underWay } of this.#gateways) {
      for (const attempts of underWay) for (const { journey } of attempts) this.#lose(journey)
    }
    if (arrivals.length === 0) onSecond(lengthMs)
    return this.#tally
  }

  get #now(): number {
    return this.#clock.monotonic()
  }

  #at(atMs: number, what: () => void): void {
    this.#order += 1
    this.#agenda.add({ atMs, target: 0, source: 0, order: this.#order, what })
  }

  /** Something arrives after a way. */
  #after(from: number, to: number, what: () => void): void {
    const count = this.#sentBy[from] ?? 0
    this.#sentBy[from] = count + 1
    this.#at(this.#now + this.#links.travelMs(from, to, count), what)
  }

  #gateway(host: number, placement: Placement): Gateway {
    const sights = this.#nodes.map(({ spec, host: at }, node): Sight => {
      const roundTripMs = placement.roundTripMs(host, at) * (1 + jitterShare)
      const { id, claim } = spec
      return { node, id, claim, roundTripMs, connected: false, overdue: false, inFlight: 0 }
    })
    const random = seededRandom(this.#options.seed * 16 + 5 + host)
    const modules = { self: gatewayId(host), sights, clock: this.#clock, random }
    const balancer = this.#options.makeBalancer(modules)
    const underWay = this.#nodes.map(() => new Set<Attempt>())
    return { host, sights, lives: this.#nodes.map(() => 0), balancer, underWay }
  }

  #planSessions(node: SimNode): void {
    for (const { fromMs, toMs } of node.spec.sessions) {
      this.#at(fromMs, () => this.#start(node))
      if (toMs <= this.#options.lengthMs + drainMs) this.#at(toMs, () => this.#stop(node))
    }
    if (node.spec.misbehaviour !== 'stall') return
    this.#at(this.#random.float() * misdeeds.stallWithinMs, () => this.#stall(node))
  }

  #start(node: SimNode): void {
    node.life += 1
    node.isUp = true
    node.engine.clear(this.#now)
    const { life, host, index } = node
    for (const gateway of this.#gateways) {
      this.#after(host, gateway.host, () => {
        const sight = gateway.sights[index] as Sight
        gateway.lives[index] = life
        sight.connected = true
        sight.overdue = false
        gateway.balancer.joined?.(index)
      })
    }
    const firstMs = this.#random.float() * limits.reportEveryMs
    this.#at(this.#now + firstMs, () => this.#report(node, life))
  }

  #stop(node: SimNode): void {
    node.isUp = false
    node.engine.clear(this.#now)
    node.plan += 1
    const { life, host } = node
    const isSilent = node.spec.misbehaviour === 'crash'
    for (const gateway of this.#gateways) {
      this.#after(host, gateway.host, () => {
        if (!isSilent) this.#disconnect(gateway, node, life)
        else {
          this.#at(this.#now + overdueAfterMs, () => this.#fallSilent(gateway, node, life))
          this.#at(this.#now + deadAfterMs, () => this.#disconnect(gateway, node, life))
        }
      })
    }
  }

  #fallSilent(gateway: Gateway, node: SimNode, life: number): void {
    if (gateway.lives[node.index] !== life) return
    const sight = gateway.sights[node.index] as Sight
    sight.overdue = true
    this.#failAll(gateway, node, 'peer_unreachable')
  }

  #disconnect(gateway: Gateway, node: SimNode, life: number): void {
    if (gateway.lives[node.index] !== life) return
    const sight = gateway.sights[node.index] as Sight
    sight.connected = false
    this.#failAll(gateway, node, 'connection_lost')
  }

  #failAll(gateway: Gateway, node: SimNode, code: ErrorCode): void {
    for (const attempt of [...(gateway.underWay[node.index] ?? [])]) this.#fail(attempt, code)
  }

  #stall(node: SimNode): void {
    this.#settle(node)
    node.engine.stall(this.#now)
    const silent = this.#gateways.flatMap(({ underWay }) => [
      ...(underWay[node.index] ?? new Set<Attempt>()),
    ])
    this.#at(this.#now + limits.silenceMs, () => {
      for (const attempt of silent) if (!attempt.isOver) this.#fail(attempt, 'node_failed')
    })
  }

  /** Regularly. */
  #report(node: SimNode, life: number): void {
    if (!node.isUp || node.life !== life) return
    this.#settle(node)
    this.#tell(node)
    this.#at(this.#now + limits.reportEveryMs, () => this.#report(node, life))
  }

  /** A request came or went. */
  #loadChanged(node: SimNode): void {
    if (node.isTelling) return
    node.isTelling = true
    const { life } = node
    this.#at(this.#now + limits.reportAfterMs, () => {
      node.isTelling = false
      if (!node.isUp || node.life !== life) return
      this.#settle(node)
      this.#tell(node)
    })
  }

  #tell(node: SimNode): void {
    const { life } = node
    const load = node.load(this.#now)
    for (const gateway of this.#gateways) {
      this.#after(node.host, gateway.host, () => {
        if (gateway.lives[node.index] === life) gateway.balancer.reported?.(node.index, load)
      })
    }
  }

  #look(gateway: Gateway): void {
    gateway.balancer.look?.()
    this.#at(this.#now + lookEveryMs, () => this.#look(gateway))
  }

  #planArrival(index: number): void {
    const arrival = this.#options.arrivals[index]
    if (arrival === undefined) return
    this.#at(arrival.atMs, () => {
      this.#arrive(arrival)
      this.#planArrival(index + 1)
    })
  }

  #arrive(arrival: Arrival): void {
    const gateway = this.#gateways[arrival.gateway] as Gateway
    this.#tickets += 1
    const { promptTokens } = arrival
    const ask = { ticket: this.#tickets, promptTokens, ...objectiveOf(promptTokens) }
    const journey = { gateway, ask, arrival, tried: [], firstAtMs: null, tokens: 0 }
    for (const node of gateway.balancer.probes?.() ?? []) this.#probe(gateway, node)
    this.#attempt(journey)
  }

  #probe(gateway: Gateway, index: number): void {
    const node = this.#nodes[index] as SimNode
    this.#after(gateway.host, node.host, () => {
      if (!node.isUp) return
      this.#settle(node)
      const answer = node.probe()
      this.#after(node.host, gateway.host, () => gateway.balancer.probed?.(index, answer))
    })
  }

  #attempt(journey: Journey): void {
    const { gateway, ask, arrival, tried } = journey
    const chosen = gateway.balancer.choose(ask, tried)
    if (chosen === undefined) {
      this.#lose(journey, tried.length === 0)
      return
    }
    const node = this.#nodes[chosen] as SimNode
    const sight = gateway.sights[chosen] as Sight
    tried.push(chosen)
    const attempt: Attempt = {
      journey,
      node,
      startedAtMs: this.#now,
      inFlight: sight.inFlight,
      promptTokens: arrival.promptTokens + journey.tokens,
      completionTokens: Math.max(1, arrival.completionTokens - journey.tokens),
      job: undefined,
      firstAtMs: null,
      isOver: false,
    }
    sight.inFlight += 1
    gateway.underWay[chosen]?.add(attempt)
    gateway.balancer.sent?.(ask.ticket, chosen, attempt.promptTokens)
    this.#tally.attempt(chosen, this.#now)
    this.#after(gateway.host, node.host, () => this.#receive(attempt))
    this.#at(this.#now + limits.firstTokenMs, () => {
      if (!attempt.isOver && attempt.firstAtMs === null) this.#fail(attempt, 'node_failed')
    })
  }

  /** The node has it. */
  #receive(attempt: Attempt): void {
    const { node, journey, promptTokens, completionTokens } = attempt
    if (!node.isUp || attempt.isOver) return
    const { host } = journey.gateway
    if (node.isBlackHole) {
      node.served(0, misdeeds.blackHoleMs)
      this.#at(this.#now + misdeeds.blackHoleMs, () =>
        this.#after(node.host, host, () => this.#fail(attempt, 'engine_failed')),
      )
      return
    }
    this.#settle(node)
    const { inFlight } = node
    const beganAtMs = this.#now
    const job: Job = {
      promptTokens,
      completionTokens,
      prefillLeftMs: 0,
      tokensLeft: completionTokens,
      onFirstToken: () => {
        node.served(inFlight, this.#now - beganAtMs)
        this.#after(node.host, host, () => this.#begin(attempt))
      },
      onDone: () => {
        this.#loadChanged(node)
        this.#after(node.host, host, () => this.#complete(attempt))
      },
    }
    attempt.job = job
    if (node.engine.accept(job, this.#now)) this.#loadChanged(node)
    else {
      this.#after(node.host, host, () => this.#fail(attempt, 'all_nodes_busy'))
    }
    this.#planEngine(node)
  }

  /** Brings the engine to now, and writes down when it changes next. */
  #settle(node: SimNode): void {
    node.engine.advance(this.#now)
    this.#planEngine(node)
  }

  #planEngine(node: SimNode): void {
    node.plan += 1
    const { plan } = node
    const { nextAtMs } = node.engine
    if (nextAtMs === Number.POSITIVE_INFINITY) return
    this.#at(Math.max(this.#now, nextAtMs), () => {
      if (node.plan === plan) this.#settle(node)
    })
  }

  #begin(attempt: Attempt): void {
    if (attempt.isOver || attempt.firstAtMs !== null) return
    attempt.firstAtMs = this.#now
    const { journey } = attempt
    journey.firstAtMs ??= this.#now
    journey.gateway.balancer.begun?.(journey.ask.ticket)
  }

  #complete(attempt: Attempt): void {
    if (attempt.isOver) return
    this.#begin(attempt)
    const { journey, node } = attempt
    const { arrival, gateway, ask } = journey
    const isWrong = node.corrupts(this.#random, misdeeds.corruptShare)
    if (isWrong && this.#random.float() < misdeeds.corruptToldShare) {
      this.#fail(attempt, 'node_failed')
      return
    }
    this.#end(attempt, null)
    gateway.balancer.closed?.(ask.ticket)
    const ttftMs = (journey.firstAtMs ?? this.#now) - arrival.atMs
    const further = arrival.completionTokens - 1
    const tpotMs = further < 1 ? null : (this.#now - arrival.atMs - ttftMs) / further
    const isInTime = ttftMs <= ask.ttftMs && (tpotMs ?? 0) <= ask.tpotMs
    const { completionTokens } = arrival
    const isRight = !isWrong
    this.#tally.request({ isRight, isInTime, isRefused: false, ttftMs, tpotMs, completionTokens })
  }

  #fail(attempt: Attempt, code: ErrorCode): void {
    if (attempt.isOver) return
    const { journey, node, job, firstAtMs, completionTokens } = attempt
    if (job !== undefined && firstAtMs !== null) {
      const given = Math.max(1, Math.floor(completionTokens - Math.max(0, job.tokensLeft)))
      journey.tokens += Math.min(given, completionTokens - 1)
    }
    this.#end(attempt, code)
    if (job !== undefined) {
      this.#after(journey.gateway.host, node.host, () => {
        node.engine.drop(job, this.#now)
        this.#loadChanged(node)
        this.#planEngine(node)
      })
    }
    if (journey.tried.length < limits.attemptsMax) this.#attempt(journey)
    else this.#lose(journey)
  }

  #end(attempt: Attempt, code: ErrorCode | null): void {
    const { journey, node } = attempt
    const { gateway } = journey
    attempt.isOver = true
    gateway.underWay[node.index]?.delete(attempt)
    const sight = gateway.sights[node.index] as Sight
    sight.inFlight -= 1
    gateway.balancer.ended?.(endedAttempt(attempt, code, this.#now))
  }

  /** No answer, or half of one. */
  #lose({ gateway, ask, arrival, firstAtMs }: Journey, isRefused = false): void {
    gateway.balancer.closed?.(ask.ticket)
    const ttftMs = firstAtMs === null ? null : firstAtMs - arrival.atMs
    const { completionTokens } = arrival
    const nothing = { isRight: false, isInTime: false, tpotMs: null }
    this.#tally.request({ ...nothing, isRefused, ttftMs, completionTokens })
  }
}
