/**
 * What a member of the mesh does about load, in one machine: a node says its own, whoever
 * coordinates a cluster tells gateways of it, and a gateway holds the federation's view.
 *
 * A member may be several of these at once; what it says to itself does not leave it.
 */
import type { Clock, Random } from '../../base/index.ts'
import type { LoadMessage, NodeId } from '../../protocol/index.ts'
import { Outbox } from '../outbox.ts'
import { DigestPublisher, type MemberStanding, type PublisherInput } from './digest-publisher.ts'
import { FederationView, type ViewInput } from './federation-view.ts'
import { type OwnFacts, OwnLoad, type OwnLoadInput } from './own-load.ts'
import type { OwnSeals } from './seals.ts'
import type { LoadEvent, LoadOutputs, LoadSend } from './step.ts'

export interface LoadPartOptions {
  readonly self: NodeId
  /** A gateway serves nothing itself and has no load to speak of. */
  readonly role: 'node' | 'gateway'
}

export interface LoadPartModules {
  readonly random: Random
  readonly clock: Pick<Clock, 'now'>
  readonly seals: OwnSeals
}

export type LoadPartInput =
  | { readonly kind: 'tick' }
  /** Of a node: how it is now. */
  | { readonly kind: 'facts'; readonly facts: Omit<OwnFacts, 'cluster'> }
  /** The cluster is another, or looks otherwise. */
  | {
      readonly kind: 'place'
      readonly cluster: string
      readonly coordinator: NodeId
      /** The others, as membership has them. */
      readonly members: readonly MemberStanding[]
    }
  /** Gateways that are known, those of the region first, the nearest first. */
  | { readonly kind: 'gateways'; readonly gateways: readonly NodeId[] }
  | { readonly kind: 'message'; readonly from: NodeId; readonly message: LoadMessage }

const out = new Outbox<LoadSend, LoadEvent>()

export class LoadPart {
  /** Of a gateway. */
  readonly view: FederationView | undefined
  readonly #self: NodeId
  readonly #own: OwnLoad | undefined
  readonly #publisher: DigestPublisher
  #facts: Omit<OwnFacts, 'cluster'> | undefined
  #place: { readonly cluster: string; readonly coordinator: NodeId } | undefined
  #members: ReadonlySet<NodeId> = new Set()
  #gateways: readonly NodeId[] = []
  #ownWakeMs = Number.POSITIVE_INFINITY
  #publishWakeMs = Number.POSITIVE_INFINITY
  #viewWakeMs = Number.POSITIVE_INFINITY
  /** What it said to itself and has not heard yet. */
  readonly #toSelf: LoadMessage[] = []

  constructor({ role, self }: LoadPartOptions, modules: LoadPartModules, nowMs: number) {
    this.#self = self
    this.#publisher = new DigestPublisher(self, modules)
    if (role === 'node') this.#own = new OwnLoad(self, modules)
    else {
      this.view = new FederationView(self, modules, nowMs)
      this.#viewWakeMs = this.view.step({ kind: 'tick' }, nowMs).wakeAtMs
    }
  }

  step(input: LoadPartInput, nowMs: number): LoadOutputs {
    out.clear()
    this.#take(input, nowMs)
    // An answer to oneself may call for another; each is shorter than what it answers.
    for (let said = this.#toSelf.shift(); said !== undefined; said = this.#toSelf.shift()) {
      this.#hear(this.#self, said, nowMs)
    }
    const wakeAtMs = Math.min(this.#ownWakeMs, this.#publishWakeMs, this.#viewWakeMs)
    return out.take(wakeAtMs)
  }

  #take(input: LoadPartInput, nowMs: number): void {
    switch (input.kind) {
      case 'tick':
        if (nowMs >= this.#ownWakeMs) this.#speak({ kind: 'tick' }, nowMs)
        if (nowMs >= this.#publishWakeMs) this.#publish({ kind: 'tick' }, nowMs)
        if (nowMs >= this.#viewWakeMs) this.#look({ kind: 'tick' }, nowMs)
        return
      case 'facts':
        this.#facts = input.facts
        this.#sayFacts(nowMs)
        return
      case 'place':
        this.#belong(input, nowMs)
        return
      case 'gateways':
        this.#gateways = input.gateways
        this.#look({ kind: 'gateways', gateways: input.gateways }, nowMs)
        this.#address(nowMs)
        return
      case 'message':
        this.#hear(input.from, input.message, nowMs)
        return
    }
  }

  #belong(place: Extract<LoadPartInput, { kind: 'place' }>, nowMs: number): void {
    const before = this.#place
    const { cluster, coordinator, members } = place
    this.#place = { cluster, coordinator }
    if (before?.cluster !== cluster || before.coordinator !== coordinator) {
      const leads = coordinator === this.#self
      this.#publish({ kind: 'role', cluster: leads ? cluster : undefined }, nowMs)
      this.#address(nowMs)
    }
    if (this.view !== undefined) this.#members = new Set(members.map(({ id }) => id))
    this.#publish({ kind: 'members', members }, nowMs)
    if (before?.cluster !== cluster) this.#sayFacts(nowMs)
  }

  /** To whom everything goes. */
  #address(nowMs: number): void {
    const coordinator = this.#place?.coordinator
    const gateways = this.#gateways.filter((id) => id !== this.#self)
    this.#speak({ kind: 'listeners', coordinator, gateways }, nowMs)
    const told = this.view === undefined ? gateways : [this.#self, ...gateways]
    this.#publish({ kind: 'gateways', gateways: told }, nowMs)
  }

  #sayFacts(nowMs: number): void {
    if (this.#facts === undefined || this.#place === undefined) return
    const { cluster } = this.#place
    this.#speak({ kind: 'facts', facts: { ...this.#facts, cluster } }, nowMs)
  }

  #hear(from: NodeId, message: LoadMessage, nowMs: number): void {
    switch (message.kind) {
      case 'ack':
        this.#publish({ kind: 'ack', from, ack: message.ack }, nowMs)
        return
      case 'wants':
        this.#speak({ kind: 'wants', from, keys: message.keys }, nowMs)
        this.#look({ kind: 'message', from, message }, nowMs)
        return
      case 'news':
        if (this.#isForPublisher(from)) {
          this.#publish({ kind: 'news', from, news: message.news }, nowMs)
        }
        this.#look({ kind: 'message', from, message }, nowMs)
        return
      case 'digest':
      case 'summary':
        this.#look({ kind: 'message', from, message }, nowMs)
        return
    }
  }

  /** What other gateways tell, and coordinators that a gateway has asked, is for its view alone. */
  #isForPublisher(from: NodeId): boolean {
    if (this.#gateways.includes(from)) return false
    return this.view === undefined || from === this.#self || this.#members.has(from)
  }

  #speak(input: OwnLoadInput, nowMs: number): void {
    if (this.#own === undefined) return
    const outputs = this.#own.step(input, nowMs)
    this.#ownWakeMs = outputs.wakeAtMs
    this.#pass(outputs)
  }

  #publish(input: PublisherInput, nowMs: number): void {
    const outputs = this.#publisher.step(input, nowMs)
    this.#publishWakeMs = outputs.wakeAtMs
    this.#pass(outputs)
  }

  #look(input: ViewInput, nowMs: number): void {
    if (this.view === undefined) return
    const outputs = this.view.step(input, nowMs)
    this.#viewWakeMs = outputs.wakeAtMs
    this.#pass(outputs)
  }

  #pass({ events, sends }: LoadOutputs): void {
    for (const event of events) out.note(event)
    for (const send of sends) {
      if (send.to === this.#self) this.#toSelf.push(send.message)
      else out.send(send)
    }
  }
}
