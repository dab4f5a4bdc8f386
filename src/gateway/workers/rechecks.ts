/**
 * Asks a node something small, because another gateway says that it answers wrongly: what comes is
 * checked as every answer is, and this gateway sees for itself.
 *
 * Words cost whoever says them nothing, so what they cause is bounded: for each gateway that this
 * one relies on, for all others together, and for each node.
 */
import type { Clock, Log, Random, Timer } from '../../base/index.ts'
import type { Standing } from '../../evidence/index.ts'
import { asIsochroneError, type ModelDigest, type NodeId, shortId } from '../../protocol/index.ts'
import { TokenBucket } from '../admission/token-bucket.ts'
import type { RemoteWorker } from './remote-worker.ts'
import { isGeneration, smallQuestion } from './small-questions.ts'

export const recheckLimits = {
  /** A rack of nodes with one wrong model at once; then one in four seconds. */
  perAccuserMax: 16,
  /** Gateways of which is remembered what they cause. */
  accusersMax: 64,
  /** One node is asked once in this time because of gateways that are relied on, and once because
   * of all others: the one kind does not use up what the other has. */
  perNodeMs: 60_000,
  runningMax: 8,
  /** Of them, because of those that are not relied on: their nodes may take all the time. */
  runningForAnybodyMax: 4,
  /** What waits for its turn, or for its node to come back. The oldest goes first, and before it
   * what nobody says who is relied on. */
  waitingMax: 256,
  /** A node that is busy or breaks off is asked again after this, and after thrice that. */
  againMs: 5_000,
  triesMax: 3,
  /** Of one: a few tokens, behind whatever the node has under way. */
  answerMs: 30_000,
  /** As short as answers of clients are, and not always the same. */
  tokensMin: 4,
  tokensMax: 12,
} as const

/** Who is not relied on pays together with all others of its kind. */
export type Accuser = NodeId | 'anybody'

export type RecheckOutcome = 'right' | 'wrong' | 'unknown'

export interface RechecksModules {
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly registry: {
    node(id: NodeId): { readonly worker: AskedWorker } | undefined
    standing(id: NodeId): Standing | undefined
    begin(id: NodeId): unknown
    end(id: NodeId): void
  }
}

type AskedWorker = Pick<RemoteWorker, 'describe' | 'embed' | 'generate'>

interface Waiting {
  readonly worker: NodeId
  readonly model: ModelDigest | null
  readonly accuser: Accuser
  tries: number
  notBeforeMs: number
}

export class Rechecks {
  readonly #modules: RechecksModules
  readonly #waiting: Waiting[] = []
  readonly #buckets = new Map<Accuser, TokenBucket>()
  /** When a node was last asked, for each kind of accuser. */
  readonly #asked = new Map<string, number>()
  readonly #counts = new Map<RecheckOutcome, number>()
  readonly #stop = new AbortController()
  #running = 0
  #runningForAnybody = 0
  #timer: Timer | undefined

  constructor(modules: RechecksModules) {
    this.#modules = modules
  }

  /** @param model of which the accusation speaks; null: whatever it serves */
  ask(worker: NodeId, model: ModelDigest | null, accuser: Accuser): void {
    const isKnown = this.#waiting.some(
      (one) => one.worker === worker && kindOf(one.accuser) === kindOf(accuser),
    )
    if (isKnown || this.#stop.signal.aborted) return
    if (this.#waiting.length >= recheckLimits.waitingMax) this.#forgetOne()
    this.#waiting.push({ worker, model, accuser, tries: 0, notBeforeMs: 0 })
    this.#look()
  }

  /** It is connected now. */
  joined(worker: NodeId): void {
    for (const one of this.#waiting) if (one.worker === worker) one.notBeforeMs = 0
    if (this.#waiting.length > 0) this.#look()
  }

  stop(): void {
    this.#timer?.cancel()
    this.#stop.abort()
  }

  counts(): ReadonlyMap<RecheckOutcome, number> {
    return this.#counts
  }

  /** Whoever names many nodes pushes out nothing that a gateway says which is relied on. */
  #forgetOne(): void {
    const first = this.#waiting.findIndex(({ accuser }) => accuser === 'anybody')
    this.#waiting.splice(Math.max(0, first), 1)
  }

  #look(): void {
    const { clock } = this.#modules
    const nowMs = clock.monotonic()
    let nextMs = Number.POSITIVE_INFINITY
    for (const one of [...this.#waiting]) {
      if (this.#running >= recheckLimits.runningMax) break
      if (!this.#hasRoomFor(one)) continue
      if (one.notBeforeMs <= nowMs) one.notBeforeMs = this.#turnMs(one, nowMs)
      if (one.notBeforeMs <= nowMs) this.#begin(one, nowMs)
      else nextMs = Math.min(nextMs, one.notBeforeMs)
    }
    this.#timer?.cancel()
    if (nextMs === Number.POSITIVE_INFINITY || this.#stop.signal.aborted) return
    this.#timer = clock.after(Math.ceil(nextMs - nowMs), () => this.#look())
  }

  /** When it can be asked; Infinity: when its node comes. */
  #turnMs({ accuser, tries, worker }: Waiting, nowMs: number): number {
    const node = this.#modules.registry.node(worker)
    if (node?.worker.describe().connected !== true) return Number.POSITIVE_INFINITY
    if (tries > 0) return nowMs
    const askedMs = this.#asked.get(askedKey(worker, accuser)) ?? Number.NEGATIVE_INFINITY
    const againMs = askedMs + recheckLimits.perNodeMs
    if (againMs > nowMs) return againMs
    return nowMs + this.#bucket(accuser, nowMs).waitMs(1, nowMs)
  }

  #bucket(accuser: Accuser, nowMs: number): TokenBucket {
    const known = this.#buckets.get(accuser)
    const bucket = known ?? new TokenBucket(recheckLimits.perAccuserMax, nowMs)
    this.#buckets.delete(accuser)
    this.#buckets.set(accuser, bucket)
    const first = this.#buckets.keys().next().value
    if (this.#buckets.size > recheckLimits.accusersMax && first !== undefined) {
      this.#buckets.delete(first)
    }
    return bucket
  }

  #begin(one: Waiting, nowMs: number): void {
    const node = this.#modules.registry.node(one.worker)
    this.#waiting.splice(this.#waiting.indexOf(one), 1)
    if (node === undefined) return
    if (one.tries === 0) {
      this.#bucket(one.accuser, nowMs).take(1, nowMs)
      for (const [key, atMs] of this.#asked) {
        if (nowMs - atMs >= recheckLimits.perNodeMs) this.#asked.delete(key)
      }
      this.#asked.set(askedKey(one.worker, one.accuser), nowMs)
    }
    one.tries += 1
    const isForAnybody = one.accuser === 'anybody' ? 1 : 0
    this.#running += 1
    this.#runningForAnybody += isForAnybody
    void this.#run(node.worker, one).finally(() => {
      this.#running -= 1
      this.#runningForAnybody -= isForAnybody
      this.#look()
    })
  }

  #hasRoomFor({ accuser }: Waiting): boolean {
    return accuser !== 'anybody' || this.#runningForAnybody < recheckLimits.runningForAnybodyMax
  }

  async #run(worker: AskedWorker, one: Waiting): Promise<void> {
    const { clock, log, registry } = this.#modules
    const fields = { node: shortId(one.worker) }
    registry.begin(one.worker)
    let failure: unknown
    try {
      await this.#listen(worker, one.model)
    } catch (error) {
      failure = error
    } finally {
      registry.end(one.worker)
    }
    // Whoever checks every answer has judged this one too.
    if (registry.standing(one.worker)?.state === 'quarantined') this.#note('wrong')
    else if (failure === undefined) {
      this.#note('right')
      log.info('a node of which another gateway complains answers rightly here', fields)
    } else if (one.tries < recheckLimits.triesMax && !this.#stop.signal.aborted) {
      one.notBeforeMs = clock.monotonic() + recheckLimits.againMs * 3 ** (one.tries - 1)
      this.#waiting.push(one)
    } else {
      this.#note('unknown')
      const reason = asIsochroneError(failure).message
      log.warn('a node of which another gateway complains gives no answer', { ...fields, reason })
    }
  }

  async #listen(worker: AskedWorker, model: ModelDigest | null): Promise<void> {
    const { models } = worker.describe()
    const offer = models.find(({ digest }) => digest !== null && digest === model) ?? models[0]
    if (offer === undefined) return
    const { clock, random } = this.#modules
    const deadlineMs = recheckLimits.answerMs
    const late = new AbortController()
    const timer = clock.after(deadlineMs, () => late.abort())
    const limits = { signal: AbortSignal.any([late.signal, this.#stop.signal]), deadlineMs }
    const { tokensMax, tokensMin } = recheckLimits
    const question = smallQuestion(offer, random, {
      max_tokens: tokensMin + random.below(tokensMax - tokensMin + 1),
    })
    try {
      if (isGeneration(question)) for await (const _ of worker.generate(question, limits));
      else await worker.embed(question, limits)
    } finally {
      timer.cancel()
    }
  }

  #note(outcome: RecheckOutcome): void {
    this.#counts.set(outcome, (this.#counts.get(outcome) ?? 0) + 1)
  }
}

function kindOf(accuser: Accuser): 'anybody' | 'relied-on' {
  return accuser === 'anybody' ? 'anybody' : 'relied-on'
}

function askedKey(worker: NodeId, accuser: Accuser): string {
  return `${kindOf(accuser)} ${worker}`
}
