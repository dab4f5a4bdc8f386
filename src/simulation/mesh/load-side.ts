/**
 * What a simulated host does about load: a node says its own, its cluster's coordinator tells the
 * gateways, and a gateway holds the federation's view.
 */
import type { Random } from '../../base/index.ts'
import {
  DigestPublisher,
  FederationView,
  type LoadOutputs,
  type MemberStanding,
  type OwnFacts,
  OwnLoad,
  simulatedSeals,
} from '../../mesh/index.ts'
import type { LoadMessage, NodeId } from '../../protocol/index.ts'
import type { HostEvent } from './host-event.ts'

export interface LoadSetting {
  readonly self: NodeId
  readonly isGateway: boolean
  /** All gateways, the nearest first. */
  readonly gateways: readonly NodeId[]
  readonly region: string
  readonly random: Random
  wallMs(): number
}

export interface LoadLetter {
  readonly from: NodeId
  readonly message: LoadMessage
}

export interface LoadSink {
  send(to: NodeId, message: LoadMessage): void
  note(event: HostEvent): void
}

/** How its cluster looks to a node. */
export interface OwnCluster {
  readonly name: string
  readonly coordinator: NodeId
  readonly others: readonly MemberStanding[]
}

/** Requests come and go: the figures change about as often. */
const workIntervalMs = 3_000
const slots = 16
const kvTokensTotal = 131_072
const kvTokensPerRequest = 4_096
const capabilities = new Uint8Array(32)

export class LoadSide {
  readonly view: FederationView | undefined
  readonly #setting: LoadSetting
  readonly #own: OwnLoad | undefined
  readonly #publisher: DigestPublisher
  #cluster: OwnCluster | undefined
  #running = 0
  #workAtMs = Number.POSITIVE_INFINITY
  #ownWakeMs = Number.POSITIVE_INFINITY
  #publishWakeMs = Number.POSITIVE_INFINITY
  #viewWakeMs = Number.POSITIVE_INFINITY

  constructor(setting: LoadSetting, nowMs: number) {
    const { self, isGateway, gateways, random } = setting
    this.#setting = setting
    const clock = { now: () => setting.wallMs() }
    const seals = simulatedSeals(self)
    if (isGateway) {
      this.view = new FederationView(self, { random, clock, seals }, nowMs)
      this.#viewWakeMs = this.view.step({ kind: 'gateways', gateways }, nowMs).wakeAtMs
    } else this.#own = new OwnLoad(self, { random, clock, seals })
    this.#publisher = new DigestPublisher(self, { clock, seals })
  }

  get wakeAtMs(): number {
    return Math.min(this.#workAtMs, this.#ownWakeMs, this.#publishWakeMs, this.#viewWakeMs)
  }

  /** The cluster is another, or looks otherwise. */
  belong(cluster: OwnCluster, nowMs: number, sink: LoadSink): void {
    const { self, gateways } = this.#setting
    const before = this.#cluster
    this.#cluster = cluster
    const { name, coordinator, others } = cluster
    if (before?.coordinator !== coordinator || before.name !== name) {
      const leads = coordinator === self
      this.#publish({ kind: 'role', cluster: leads ? name : undefined }, nowMs, sink)
      const told = this.view === undefined ? gateways : [self, ...gateways]
      this.#publish({ kind: 'gateways', gateways: leads ? told : [] }, nowMs, sink)
      this.#say({ kind: 'listeners', coordinator, gateways }, nowMs, sink)
    }
    if (coordinator === self) {
      const members: MemberStanding[] = [{ id: self, state: 'alive' }, ...others]
      this.#publish({ kind: 'members', members }, nowMs, sink)
    }
    if (before?.name !== name) this.#work(nowMs, sink)
  }

  hear({ from, message }: LoadLetter, nowMs: number, sink: LoadSink): void {
    switch (message.kind) {
      case 'ack':
        this.#publish({ kind: 'ack', from, ack: message.ack }, nowMs, sink)
        return
      case 'news':
        // A gateway may coordinate its cluster as well; what other gateways tell is for its view.
        if (!this.#setting.gateways.includes(from) || this.view === undefined) {
          this.#publish({ kind: 'news', from, news: message.news }, nowMs, sink)
        }
        break
      case 'wants':
        this.#say({ kind: 'wants', from, keys: message.keys }, nowMs, sink)
        break
      default:
        break
    }
    this.#look({ kind: 'message', from, message }, nowMs, sink)
  }

  tick(nowMs: number, sink: LoadSink): void {
    if (nowMs >= this.#workAtMs) this.#work(nowMs, sink)
    if (nowMs >= this.#ownWakeMs) this.#say({ kind: 'tick' }, nowMs, sink)
    if (nowMs >= this.#publishWakeMs) this.#publish({ kind: 'tick' }, nowMs, sink)
    if (nowMs >= this.#viewWakeMs) this.#look({ kind: 'tick' }, nowMs, sink)
  }

  /** A request more or less. */
  #work(nowMs: number, sink: LoadSink): void {
    const { random, region } = this.#setting
    if (this.#cluster === undefined) return
    this.#workAtMs = nowMs + workIntervalMs * (0.5 + random.float())
    const step = random.below(2) === 0 ? -1 : 1
    this.#running = Math.min(slots, Math.max(0, this.#running + step))
    const running = this.#running
    const facts: OwnFacts = {
      cluster: this.#cluster.name,
      region,
      capabilities,
      slots,
      kvTokensTotal,
      tokensPerSecond: 1_000,
      health: 'good',
      load: { running, waiting: 0, kvTokensFree: kvTokensTotal - running * kvTokensPerRequest },
    }
    this.#say({ kind: 'facts', facts }, nowMs, sink)
  }

  #say(input: Parameters<OwnLoad['step']>[0], nowMs: number, sink: LoadSink): void {
    if (this.#own === undefined) return
    const outputs = this.#own.step(input, nowMs)
    this.#ownWakeMs = outputs.wakeAtMs
    this.#pass(outputs, nowMs, sink)
  }

  #publish(input: Parameters<DigestPublisher['step']>[0], nowMs: number, sink: LoadSink): void {
    const outputs = this.#publisher.step(input, nowMs)
    this.#publishWakeMs = outputs.wakeAtMs
    this.#pass(outputs, nowMs, sink)
  }

  #look(input: Parameters<FederationView['step']>[0], nowMs: number, sink: LoadSink): void {
    if (this.view === undefined) return
    const outputs = this.view.step(input, nowMs)
    this.#viewWakeMs = outputs.wakeAtMs
    this.#pass(outputs, nowMs, sink)
  }

  #pass({ sends, events }: LoadOutputs, nowMs: number, sink: LoadSink): void {
    for (const { to, message } of sends) {
      // A coordinator tells itself what it says of itself.
      if (to === this.#setting.self) this.hear({ from: to, message }, nowMs, sink)
      else sink.send(to, message)
    }
    for (const event of events) {
      sink.note({ kind: 'seen', what: event.kind === 'caught' ? `lie: ${event.lie}` : event.kind })
    }
  }
}
