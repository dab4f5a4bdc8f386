/**
 * Holds workers to the floors of the policy and to their own word, by the rates at which answers
 * came: once in a second, whoever has answered since.
 */
import type { Clock, Timer } from '../../base/index.ts'
import {
  type EvidenceBook,
  type Observation,
  PaceJudge,
  type StatedPace,
} from '../../evidence/index.ts'
import type { WorkerId } from '../../protocol/index.ts'
import { hardwareClassOf, type RoutingPolicy, ruleOf, tierOf } from '../../routing/index.ts'
import type { WorkerRegistry } from './registry.ts'
import type { StandingKeeper } from './standing-keeper.ts'
import { offerOf } from './viewed.ts'
import type { WorkerView } from './worker.ts'

export interface PaceWatchModules {
  readonly clock: Clock
  readonly policy: () => RoutingPolicy
  readonly evidence: Pick<EvidenceBook, 'of'>
  readonly registry: Pick<WorkerRegistry, 'all' | 'find'>
  readonly faults: Pick<StandingKeeper, 'book' | 'slow'>
}

const lookIntervalMs = 1_000

export class PaceWatch {
  readonly #modules: PaceWatchModules
  readonly #judge: PaceJudge
  #timer: Timer | undefined

  constructor(modules: PaceWatchModules) {
    this.#modules = modules
    const { evidence, faults, policy, registry } = modules
    this.#judge = new PaceJudge({
      evidence,
      stated: (worker, model) => {
        const view = registry.find(worker)?.view
        return view === undefined ? undefined : this.#stated(worker, view, model)
      },
      all: (model) =>
        registry.all().flatMap(({ worker, view }) => this.#stated(worker.id, view, model) ?? []),
      claimKeptMin: () => policy().claimKeptMin,
      stateOf: (worker, model) => faults.book.stateOf(worker, model),
      report: (worker, fault) => faults.slow(worker, fault),
      kept: (worker, model) => faults.book.kept(worker, model),
    })
  }

  seen({ model, tpotMs, worker }: Observation): void {
    if (tpotMs !== null) this.#judge.seen(worker, model)
  }

  start(): void {
    this.#timer = this.#modules.clock.after(lookIntervalMs, () => {
      this.#judge.judge()
      this.start()
    })
  }

  stop(): void {
    this.#timer?.cancel()
  }

  #stated(worker: WorkerId, view: WorkerView, model: string): StatedPace | undefined {
    const offer = offerOf(view, model)
    if (offer === null || !view.connected) return undefined
    const policy = this.#modules.policy()
    const tier = tierOf(policy, model)
    const stated = view.record === null ? null : view.record.hardware
    const hardwareClass = hardwareClassOf(policy.hardwareClasses, stated)
    const rule = tier === null ? undefined : ruleOf(tier, hardwareClass)
    const floor = rule?.tokensPerSecondMin ?? 0
    return { worker, claimed: offer.decodeTokensPerSecond, floor }
  }
}
