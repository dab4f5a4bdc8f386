/** A gateway's view and those who tell it something: keys, chains and messages are real. */
import { seededRandom } from '../../base/index.ts'
import {
  type ClusterDigest,
  createIdentity,
  decodeLoadMessage,
  encodeLoadMessage,
  type Identity,
  type LoadAnchor,
  type LoadMessage,
  type LoadTick,
  loadTopsBytes,
  type NodeId,
  nodeKeyOf,
  type Sealed,
} from '../../protocol/index.ts'
import { FederationView } from './federation-view.ts'
import { OwnChains } from './load-chains.ts'
import { ed25519Seals } from './seals.ts'
import type { LoadEvent, LoadOutputs } from './step.ts'

export const wallMs = 1_800_000_000_000
export const network = 'net'
export const cluster = 'cluster-a'

/** A node with its key, which can show any tick at any time. */
export class Member {
  readonly identity: Identity
  readonly chains: OwnChains
  readonly anchor: Sealed<LoadAnchor>

  /** @param seed of its chains */
  constructor(identity: Identity, change: Partial<LoadAnchor> = {}, seed = 1) {
    this.identity = identity
    const sequence = change.sequence ?? 100
    const seeds = seededRandom(seed).bytes(loadTopsBytes)
    const { walk, sealAnchor } = ed25519Seals(identity, network)
    this.chains = new OwnChains({ node: identity.id, sequence, ticksMax: 60, seeds }, walk)
    this.anchor = sealAnchor({
      node: identity.id,
      cluster,
      region: 'here',
      sequence,
      issuedAtMs: wallMs,
      tickMs: 1_000,
      ticksMax: 60,
      capabilities: new Uint8Array(32),
      slots: 4,
      countUnit: 1,
      kvTokensTotal: 1_000,
      tokensPerSecond: 100,
      health: 'good',
      load: { running: 1, waiting: 0, kvTokensFree: 1_000 },
      tops: this.chains.tops,
      ...change,
    })
  }

  get id(): NodeId {
    return this.identity.id
  }

  tick(tick: number, levels = 0xf01): LoadTick {
    const proof = this.chains.proof(tick, levels)
    const { sequence } = this.anchor.value
    return { key: nodeKeyOf(this.id), sequence, tick, levels, proof }
  }
}

export class Setting {
  nowMs = 0
  readonly gateway = createIdentity()
  readonly peer = createIdentity()
  readonly coordinator = new Member(createIdentity())
  readonly member = new Member(createIdentity())
  readonly view: FederationView
  readonly events: LoadEvent[] = []
  #sequence = 0

  constructor() {
    const clock = { now: () => wallMs + this.nowMs }
    const seals = ed25519Seals(this.gateway, network)
    this.view = new FederationView(
      this.gateway.id,
      { random: seededRandom(1), clock, seals },
      this.nowMs,
    )
    this.view.step({ kind: 'gateways', gateways: [this.peer.id] }, 0)
  }

  digest(change: Partial<ClusterDigest> = {}, by = this.coordinator): Sealed<ClusterDigest> {
    this.#sequence += 1
    return ed25519Seals(by.identity, network).sealDigest({
      cluster,
      coordinator: by.id,
      sequence: this.#sequence,
      base: 0,
      issuedAtMs: wallMs + this.nowMs,
      members: 2,
      told: [this.gateway.id],
      anchors: [],
      ticks: [],
      gone: [],
      ...change,
    })
  }

  /** Over the wire, and from the coordinator unless it says otherwise. */
  hear(message: LoadMessage, from = this.coordinator.identity): LoadOutputs {
    const decoded = decodeLoadMessage(encodeLoadMessage(message))
    const outputs = this.view.step({ kind: 'message', from: from.id, message: decoded }, this.nowMs)
    this.events.push(...outputs.events)
    return outputs
  }

  tell(change: Partial<ClusterDigest>): LoadOutputs {
    return this.hear({ kind: 'digest', digest: this.digest(change) })
  }

  begin(): void {
    this.tell({ anchors: [this.coordinator.anchor, this.member.anchor] })
    this.events.length = 0
  }

  caught(): readonly [string, string][] {
    const caught: [string, string][] = []
    for (const event of this.events) {
      if (event.kind === 'caught') caught.push([event.lie, event.by])
    }
    return caught
  }

  at(ms: number): void {
    this.nowMs = ms
  }
}
