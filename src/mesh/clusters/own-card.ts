/** What a node says of itself for all: when it is said anew, and with what. */
import type { NodeId } from '../../protocol/index.ts'
import type { Card, CardBody } from '../directory/card.ts'
import { type Roster, seatOf, speaksFor } from './claims.ts'
import { clusterTimes } from './limits.ts'
import { isSizeNews } from './proposals.ts'
import type { NeighbourhoodModules } from './step.ts'

/** The cluster as its member sees it. */
interface Membered {
  readonly roster: Roster
  readonly size: number
  present(): readonly NodeId[]
}

type Modules = Pick<NeighbourhoodModules, 'contact' | 'coordinate' | 'seal'>

interface Beginning {
  readonly self: NodeId
  /** Of oneself alone. */
  readonly roster: Roster
}

const noContact = new Uint8Array(0)

export class OwnCard {
  readonly #self: NodeId
  readonly #modules: Modules
  #card: Card
  #dueMs: number
  #sizeLookAtMs = 0

  constructor(modules: Modules, { self, roster }: Beginning, nowMs: number) {
    this.#self = self
    this.#modules = modules
    this.#dueMs = nowMs + clusterTimes.cardEveryMs
    this.#card = modules.seal.sign(this.#body({ roster, size: 1 }, []))
  }

  get card(): Card {
    return this.#card
  }

  /** For its age alone. */
  get dueMs(): number {
    return this.#dueMs
  }

  isDue(cluster: Membered, nowMs: number): boolean {
    return nowMs >= this.#dueMs || this.#isSizeNews(cluster, nowMs)
  }

  renew(cluster: Membered, sketch: CardBody['sketch'], nowMs: number): Card {
    this.#card = this.#modules.seal.sign(this.#body(cluster, sketch))
    this.#dueMs = nowMs + clusterTimes.cardEveryMs
    return this.#card
  }

  #isSizeNews(cluster: Membered, nowMs: number): boolean {
    const { clusterSize: said } = this.#card
    const is = cluster.size
    if (said === is || nowMs < this.#sizeLookAtMs) return false
    this.#sizeLookAtMs = nowMs + clusterTimes.checkEveryMs
    const ageMs = clusterTimes.cardEveryMs - (this.#dueMs - nowMs)
    const isNews = (isSpokesman: boolean) => isSizeNews({ said, is, ageMs, isSpokesman })
    return isNews(false) || (isNews(true) && speaksFor(cluster.present(), this.#self))
  }

  #body({ roster, size }: Pick<Membered, 'roster' | 'size'>, sketch: CardBody['sketch']): CardBody {
    const { cluster } = roster
    return {
      kind: 'card',
      id: this.#self,
      epoch: seatOf(roster, this.#self)?.epoch ?? 0,
      cluster,
      clusterSize: Math.max(1, size),
      contact: this.#modules.contact?.() ?? noContact,
      sketch,
      coordinate: this.#modules.coordinate(),
    }
  }
}
