/**
 * What this gateway has seen of nodes goes to the others each minute, signed; what those say that
 * this one relies on counts here, with little weight.
 */
import type { Clock, Random, Timer } from '../../base/index.ts'
import {
  type EvidenceBook,
  ExperienceTeller,
  experienceLimits,
  Hearsay,
} from '../../evidence/index.ts'
import type { NoticeKeeper } from '../../mesh/index.ts'
import {
  type Identity,
  type NodeId,
  openExperience,
  type SealedExperience,
  sealExperience,
} from '../../protocol/index.ts'
import type { WorkerRegistry } from './registry.ts'
import { offerOf } from './viewed.ts'

export interface ExperienceExchangeModules {
  readonly clock: Clock
  readonly random: Random
  readonly identity: Identity
  readonly network: string
  readonly evidence: Pick<EvidenceBook, 'count' | 'seenSince'>
  readonly registry: Pick<WorkerRegistry, 'find'>
  readonly notices?: Pick<NoticeKeeper, 'isTrusted' | 'share'> | undefined
}

export type ExperienceOutcome = 'counted' | 'stale' | 'not-relied-on' | 'forged'

export class ExperienceExchange {
  readonly #modules: ExperienceExchangeModules
  readonly #hearsay: Hearsay
  readonly #teller: ExperienceTeller
  readonly #counts = new Map<ExperienceOutcome, number>()
  #timer: Timer | undefined

  constructor(modules: ExperienceExchangeModules) {
    this.#modules = modules
    const { clock, evidence, identity, registry } = modules
    this.#teller = new ExperienceTeller({ clock, evidence, gateway: identity.id })
    this.#hearsay = new Hearsay({
      clock,
      isKnown: (worker, model) => {
        const known = registry.find(worker)
        return known !== undefined && offerOf(known.view, model) !== null
      },
      count: (worker, model, heard) => evidence.count(worker, model, heard),
    })
  }

  start(): void {
    const { notices, random } = this.#modules
    if (notices !== undefined) this.#wait(random.float() * experienceLimits.tellMs)
  }

  stop(): void {
    this.#timer?.cancel()
  }

  /** @returns why it is refused, if it is */
  hear(from: NodeId, sealed: SealedExperience): 'forged' | undefined {
    const { network, notices } = this.#modules
    // First: whoever is not relied on costs no verification.
    if (notices?.isTrusted(from) !== true) return this.#note('not-relied-on')
    const experience = openExperience(sealed, { gateway: from, network })
    if (experience === undefined) {
      this.#note('forged')
      return 'forged'
    }
    return this.#note(this.#hearsay.hear(experience) ? 'counted' : 'stale')
  }

  /** How often each came. */
  counts(): ReadonlyMap<ExperienceOutcome, number> {
    return this.#counts
  }

  /** Tells now what there is to tell. */
  tell(): void {
    const { identity, network, notices } = this.#modules
    for (const said of this.#teller.tell()) {
      notices?.share(sealExperience(identity, network, said))
    }
  }

  #wait(forMs: number): void {
    this.#timer = this.#modules.clock.after(forMs, () => {
      this.tell()
      this.#wait(experienceLimits.tellMs)
    })
  }

  #note(outcome: ExperienceOutcome): undefined {
    this.#counts.set(outcome, (this.#counts.get(outcome) ?? 0) + 1)
    return undefined
  }
}
