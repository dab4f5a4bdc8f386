/** What the members of one cluster say of who is far, oneself included. */
import type { NodeId } from '../../protocol/index.ts'
import type { Roster, Standing } from './claims.ts'
import type { ClusterContext } from './context.ts'
import { clusterLimits, clusterTimes } from './limits.ts'

export class Standings {
  readonly #context: ClusterContext
  readonly #place: { readonly cluster: string; readonly epoch: number }
  readonly #standings = new Map<NodeId, Standing>()
  /** Only those that call someone far. */
  readonly #far = new Map<NodeId, readonly NodeId[]>()
  #own: Standing | undefined
  #renewAfterMs = 0

  constructor(
    context: ClusterContext,
    place: { readonly cluster: string; readonly epoch: number },
  ) {
    this.#context = context
    this.#place = place
  }

  get far(): ReadonlyMap<NodeId, readonly NodeId[]> {
    return this.#far
  }

  get own(): Standing | undefined {
    return this.#own
  }

  /** Statements that call someone far: all of them, or those of some. */
  notable(of?: Pick<ReadonlySet<NodeId>, 'has'>): Standing[] {
    const notable: Standing[] = []
    for (const id of this.#far.keys()) {
      const standing = id === this.#context.self ? this.#own : this.#standings.get(id)
      if (standing !== undefined && (of === undefined || of.has(id))) notable.push(standing)
    }
    return notable
  }

  /** What a newcomer has said when it asked; its own statement follows. */
  expect(id: NodeId, far: readonly NodeId[]): void {
    if (far.length > 0) this.#far.set(id, far)
  }

  /** @returns whether it is news */
  take(standing: Standing, from: NodeId): boolean {
    const held = this.#standings.get(standing.id)
    if (held !== undefined && held.issuedAtMs >= standing.issuedAtMs) return false
    const { seal, rules, reject } = this.#context
    const verification = seal.verify(standing)
    if (verification !== 'valid') {
      if (verification === 'forged') reject(from, verification)
      return false
    }
    const keptMax = rules.membersMax + clusterLimits.standingsSpare
    if (held === undefined && this.#standings.size >= keptMax) return false
    this.#standings.set(standing.id, standing)
    this.#put(standing.id, standing.far)
    return true
  }

  keepOnly(isSeated: (id: NodeId) => boolean): void {
    const { membersMax } = this.#context.rules
    for (const id of this.#far.keys()) if (!isSeated(id)) this.#far.delete(id)
    if (this.#standings.size <= membersMax) return
    for (const id of this.#standings.keys()) if (!isSeated(id)) this.#standings.delete(id)
  }

  /** What one says of others is as it is now; unless it was something else a moment ago. */
  renew(roster: Roster, nowMs: number): 'new' | 'same' | 'later' {
    const { self, seal, trips } = this.#context
    const far: NodeId[] = []
    for (const { id } of roster.seats) {
      if (id !== self && trips.isFar(id)) far.push(id)
    }
    if (this.#own !== undefined) {
      if (areSame(far, this.#own.far)) return 'same'
      if (nowMs < this.#renewAfterMs) return 'later'
    }
    this.#renewAfterMs = nowMs + clusterTimes.standingEveryMs
    this.#own = seal.sign({ kind: 'standing', id: self, ...this.#place, far })
    this.#put(self, far)
    return 'new'
  }

  #put(id: NodeId, far: readonly NodeId[]): void {
    if (far.length > 0) this.#far.set(id, far)
    else this.#far.delete(id)
  }
}

function areSame(one: readonly NodeId[], other: readonly NodeId[]): boolean {
  return one.length === other.length && one.every((id) => other.includes(id))
}
