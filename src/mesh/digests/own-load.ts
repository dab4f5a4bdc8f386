/**
 * A node speaks of its own load: an anchor now and then, a tick each 1.5 s, to its coordinator.
 *
 * Each anchor goes to gateways as well, past the coordinator. It costs little, and shows a gateway
 * whom a coordinator leaves out; a gateway that asks then is told each tick for a while.
 */
import { assert, type Clock, type Random } from '../../base/index.ts'
import {
  type LoadAnchor,
  type LoadFigures,
  type LoadTick,
  loadTopsBytes,
  type NodeHealth,
  type NodeId,
  type NodeKey,
  nodeKeyOf,
  type Sealed,
} from '../../protocol/index.ts'
import { nothing } from '../nothing.ts'
import { Outbox } from '../outbox.ts'
import { digestTimes, viewLimits } from './limits.ts'
import { OwnChains } from './load-chains.ts'
import { countUnitFor, levelsOf } from './load-scale.ts'
import type { OwnSeals } from './seals.ts'
import type { LoadOutputs, LoadSend } from './step.ts'

export interface OwnFacts {
  readonly cluster: string
  readonly region: string
  /** SHA-256 of the signed record's bytes, 32 bytes. */
  readonly capabilities: Uint8Array
  readonly slots: number
  readonly kvTokensTotal: number
  readonly tokensPerSecond: number
  readonly health: NodeHealth
  readonly load: LoadFigures
}

export type OwnLoadInput =
  | { readonly kind: 'tick' }
  /** What holds from now on. */
  | { readonly kind: 'facts'; readonly facts: OwnFacts }
  | {
      readonly kind: 'listeners'
      readonly coordinator: NodeId | undefined
      /** Those of the region, the nearest first. */
      readonly gateways: readonly NodeId[]
    }
  | { readonly kind: 'wants'; readonly from: NodeId; readonly keys: readonly NodeKey[] }

export interface OwnLoadModules {
  /** The chains' secrets are drawn from it. */
  readonly random: Random
  readonly clock: Pick<Clock, 'now'>
  readonly seals: OwnSeals
}

interface Spoken {
  readonly anchor: Sealed<LoadAnchor>
  readonly chains: OwnChains
  readonly facts: OwnFacts
  /** The last facts that the anchor covers, but for the load. */
  covered: OwnFacts
  readonly sequence: number
  readonly tickMs: number
  readonly ticksMax: number
  readonly atMs: number
  /** Then gateways are told as well; drawn, so that a cluster's members do not come together. */
  readonly directTick: number
  tick: number
  last: LoadTick | undefined
}

/** A measured speed is said anew when it is a quarter off. */
const speedChange = 0.25

const out = new Outbox<LoadSend, never>()

export class OwnLoad {
  readonly #self: NodeId
  readonly #key: NodeKey
  readonly #modules: OwnLoadModules
  #facts: OwnFacts | undefined
  #coordinator: NodeId | undefined
  #gateways: readonly NodeId[] = []
  /** Gateways that asked, and until when they are told directly. */
  readonly #direct = new Map<NodeId, number>()
  #spoken: Spoken | undefined
  #sequence = 0
  #wakeAtMs = Number.POSITIVE_INFINITY

  constructor(self: NodeId, modules: OwnLoadModules) {
    this.#self = self
    this.#key = nodeKeyOf(self)
    this.#modules = modules
  }

  /** What it said of itself last. */
  get anchor(): Sealed<LoadAnchor> | undefined {
    return this.#spoken?.anchor
  }

  step(input: OwnLoadInput, nowMs: number): LoadOutputs {
    out.clear()
    switch (input.kind) {
      case 'tick':
        break
      case 'facts':
        this.#facts = input.facts
        break
      case 'listeners':
        this.#listen(input)
        break
      case 'wants':
        this.#answer(input, nowMs)
        break
    }
    this.#speak(nowMs)
    return out.take(this.#wakeAtMs)
  }

  #listen({ coordinator, gateways }: Extract<OwnLoadInput, { kind: 'listeners' }>): void {
    this.#gateways = gateways.slice(0, viewLimits.toldMax)
    for (const id of this.#direct.keys()) {
      if (!this.#gateways.includes(id)) this.#direct.delete(id)
    }
    const isNew = coordinator !== this.#coordinator
    this.#coordinator = coordinator
    if (isNew && coordinator !== undefined) this.#tell(coordinator, true)
  }

  /** Gateways and the coordinator may ask; all that they get is public anyway. */
  #answer({ from, keys }: Extract<OwnLoadInput, { kind: 'wants' }>, nowMs: number): void {
    if (!keys.includes(this.#key)) return
    const isGateway = this.#gateways.includes(from)
    if (!isGateway && from !== this.#coordinator) return
    if (isGateway) this.#direct.set(from, nowMs + digestTimes.directMs)
    this.#tell(from, true)
  }

  #speak(nowMs: number): void {
    const facts = this.#facts
    if (facts === undefined) return
    const spoken = this.#spoken
    if (spoken === undefined || this.#isAnchorDue(spoken, facts, nowMs)) {
      this.#anchorNow(facts, nowMs)
      return
    }
    const { sequence, tickMs } = spoken
    const tick = ticksWithin(nowMs - spoken.atMs, tickMs)
    if (tick > spoken.tick) {
      const isDirect = spoken.tick < spoken.directTick && tick >= spoken.directTick
      spoken.tick = tick
      const levels = levelsOf(facts.load, spoken.anchor.value)
      const proof = spoken.chains.proof(tick, levels)
      spoken.last = { key: this.#key, sequence, tick, levels, proof }
      this.#tellTick(nowMs)
      if (isDirect) for (const id of this.#gateways) this.#tell(id, true)
    }
    this.#wakeAtMs = spoken.atMs + (spoken.tick + 1) * tickMs
  }

  #isAnchorDue(spoken: Spoken, facts: OwnFacts, nowMs: number): boolean {
    const { facts: said, sequence, ticksMax, tickMs } = spoken
    assert(sequence === this.#sequence, 'the last anchor is the one that holds')
    const ageMs = nowMs - spoken.atMs
    if (ageMs < digestTimes.anchorGapMinMs) return false
    if (ticksWithin(ageMs, tickMs) > ticksMax) return true
    if (facts === spoken.covered) return false
    if (said.cluster !== facts.cluster || said.health !== facts.health) return true
    if (ageMs < digestTimes.anchorGapMs) return false
    const [before, after] = [said.tokensPerSecond, facts.tokensPerSecond]
    const isOther =
      Math.abs(after - before) > speedChange * Math.max(before, after) ||
      said.slots !== facts.slots ||
      said.kvTokensTotal !== facts.kvTokensTotal ||
      said.region !== facts.region ||
      Buffer.compare(said.capabilities, facts.capabilities) !== 0
    if (!isOther) spoken.covered = facts
    return isOther
  }

  #anchorNow(facts: OwnFacts, nowMs: number): void {
    const { clock, random, seals } = this.#modules
    const { anchorTicksMax, anchorTicksMin, tickMs } = digestTimes
    const wallMs = clock.now()
    this.#sequence = Math.max(this.#sequence + 1, Math.floor(wallMs / 1_000))
    const sequence = this.#sequence
    const ticksMax = anchorTicksMin + random.below(anchorTicksMax - anchorTicksMin + 1)
    const seeds = random.bytes(loadTopsBytes)
    const chains = new OwnChains({ node: this.#self, sequence, ticksMax, seeds }, seals.walk)
    const anchor = seals.sealAnchor({
      ...facts,
      node: this.#self,
      sequence,
      issuedAtMs: wallMs,
      tickMs,
      ticksMax,
      countUnit: countUnitFor(facts.slots),
      tops: chains.tops,
    })
    const directTick = 1 + random.below(anchorTicksMin)
    const atMs = nowMs
    const said = { sequence, tickMs, ticksMax, facts, covered: facts, atMs, directTick }
    this.#spoken = { anchor, chains, ...said, tick: 0, last: undefined }
    this.#wakeAtMs = nowMs + tickMs
    if (this.#coordinator !== undefined) this.#tell(this.#coordinator, true)
  }

  #tellTick(nowMs: number): void {
    if (this.#coordinator !== undefined) this.#tell(this.#coordinator, false)
    for (const [id, untilMs] of this.#direct) {
      if (nowMs >= untilMs) this.#direct.delete(id)
      else if (id !== this.#coordinator) this.#tell(id, false)
    }
  }

  #tell(to: NodeId, withAnchor: boolean): void {
    const spoken = this.#spoken
    if (spoken === undefined) return
    const anchors = withAnchor ? [spoken.anchor] : nothing
    const ticks = spoken.last === undefined ? nothing : [spoken.last]
    out.send({ to, message: { kind: 'news', news: { anchors, ticks, offers: nothing } } })
  }
}

/** A sum of floating-point times may fall short of itself: then a tick would never come. */
const clockResolutionMs = 0.001

function ticksWithin(ageMs: number, tickMs: number): number {
  return Math.floor((ageMs + clockResolutionMs) / tickMs)
}
