/**
 * What this gateway foresees of one node, before it asks it anything: whether it lives, how busy
 * it is now, and how far away. Kept as values that routing's snapshot takes over as they are; what
 * makes them is done when something is heard, and now and then in between.
 */
import {
  type MemberState,
  OwnRequests,
  type PredictedLoad,
  PromptsAhead,
  type SaidLoad,
} from '../../mesh/index.ts'
import type { Candidate, RoundTripSource } from '../../routing/index.ts'

/** What a link shows of its peer. */
export interface LinkSight {
  readonly roundTripMs: number | undefined
  readonly answeredAtMs: number | undefined
  readonly overdue: boolean
}

/** A load and its time; the mesh's comes by digests, the node's own over its link. */
export interface HeardLoad extends SaidLoad {
  readonly kvTokensFree: number
  readonly promptTokensUnread?: number | undefined
}

/** What it says over its own link besides. */
export interface ReportedLoad extends Omit<HeardLoad, 'saidAtMs'> {
  /** How fast it reads prompts, as it states. */
  readonly prefillTokensPerSecond: number
}

export interface RoundTrip {
  readonly ms: number
  readonly source: RoundTripSource
}

/**
 * Who is doubted is asked each second, and a link's patience is a second: whoever lives has
 * answered within this.
 */
const answerFreshMs = 2_500
const askEveryMs = 1_000
/** A digest's figures are rounded up and by another clock: it has to be newer by a tick. */
const digestNewerMs = 1_500
/** A link that was not measured yet; digests' times are rougher than this. */
const usualRoundTripMs = 100
/** Until answers were seen: the median answer of public chat traces. */
const firstTokensPerRequest = 256
/** The latest sixteen or so answers. */
const tokensGain = 1 / 16

export class Foreseen {
  readonly own = new OwnRequests()
  readonly prompts = new PromptsAhead()
  /** As `Candidate` has them. */
  verdict: Candidate['verdict']
  others: number | undefined
  kvTokensFree: number | undefined
  /** Where the mesh saw it last. */
  cluster: string | undefined
  /** For as long as the link has no measurement of its own. */
  roundTripMs: number | undefined
  roundTripSource: RoundTripSource = 'assumed'
  #said: HeardLoad | undefined
  #isDirect = false
  /** 0: it never had a cache to speak of. */
  #kvTokensMost = 0
  #tokensPerRequest = firstTokensPerRequest
  #state: MemberState = 'alive'
  #doubtedSinceMs = 0
  #askedAtMs = Number.NEGATIVE_INFINITY
  /** When it last said something itself that is no answer to a probe. */
  #spokeAtMs = Number.NEGATIVE_INFINITY
  #linkMs = usualRoundTripMs
  #prefillTokensPerSecond = 0

  /** A connection of its own begins: what was said before may be of an earlier life. */
  joined(nowMs: number): void {
    this.#said = undefined
    this.others = undefined
    this.kvTokensFree = undefined
    this.#kvTokensMost = 0
    this.own.startAnew()
    this.prompts.startAnew()
    this.#spokeAtMs = nowMs
    this.verdict = undefined
  }

  /** It said its load over its own link. */
  reported({ prefillTokensPerSecond, ...load }: ReportedLoad, nowMs: number): void {
    this.#spokeAtMs = nowMs
    this.#prefillTokensPerSecond = prefillTokensPerSecond
    const saidAtMs = nowMs - this.#linkMs / 2
    this.#take({ ...load, saidAtMs }, true)
    const { promptTokensUnread: tokens } = load
    if (tokens === undefined) this.prompts.startAnew()
    else this.prompts.learn({ tokens, saidAtMs }, this.#reading)
    this.foresee(nowMs)
  }

  /** As `Candidate` has it. */
  promptTokensAhead(nowMs: number): number | undefined {
    return this.prompts.tokensAt(nowMs, this.#reading)
  }

  /** What the mesh has of its load; older than what is known, it changes nothing. */
  told(load: HeardLoad): void {
    const known = this.#said
    const leastMs = known === undefined ? 0 : known.saidAtMs + (this.#isDirect ? digestNewerMs : 1)
    if (known === undefined || load.saidAtMs >= leastMs) this.#take(load, false)
  }

  /** An answer came to its end, of so many tokens. */
  ended(tokens: number, nowMs: number): void {
    this.own.ended(nowMs)
    if (tokens > 0) this.#tokensPerRequest += tokensGain * (tokens - this.#tokensPerRequest)
  }

  /** As the mesh has it now. */
  held(state: MemberState, nowMs: number): void {
    if (state !== 'alive' && this.#state === 'alive') this.#doubtedSinceMs = nowMs
    this.#state = state
    if (state === 'alive') this.verdict = undefined
  }

  /** What the link shows now; @returns whether its peer is to be asked out of turn */
  seen(link: LinkSight | undefined, nowMs: number): boolean {
    if (link?.roundTripMs !== undefined) this.#linkMs = link.roundTripMs
    if (this.#state === 'alive') {
      this.verdict = undefined
      return false
    }
    const answeredAtMs = Math.max(link?.answeredAtMs ?? this.#spokeAtMs, this.#spokeAtMs)
    this.verdict = this.#judge(answeredAtMs, link?.overdue ?? true, nowMs)
    if (link === undefined || nowMs - this.#askedAtMs < askEveryMs) return false
    this.#askedAtMs = nowMs
    return true
  }

  /** The load as it is by now. */
  foresee(nowMs: number): void {
    const said = this.#said
    if (said === undefined) return
    const { others, sentSince } = this.#predict(said, nowMs)
    this.others = others
    if (this.#kvTokensMost === 0) return
    this.kvTokensFree = Math.max(0, said.kvTokensFree - sentSince * this.#tokensPerRequest)
  }

  place({ ms, source }: RoundTrip): void {
    this.roundTripMs = ms
    this.roundTripSource = source
  }

  /**
   * An answer to this gateway itself that is newer than the doubt outweighs what others say, as
   * long as answers keep coming. Nobody is held for dead before it could have given one.
   */
  #judge(answeredAtMs: number, isOverdue: boolean, nowMs: number): Candidate['verdict'] {
    const isAnswering = nowMs - answeredAtMs < answerFreshMs
    if (answeredAtMs > this.#doubtedSinceMs && isAnswering) return undefined
    if (this.#state === 'suspect') return 'suspect'
    return isOverdue || !isAnswering ? 'dead' : 'suspect'
  }

  #take(load: HeardLoad, isDirect: boolean): void {
    if (isDirect !== this.#isDirect) this.own.startAnew()
    this.#isDirect = isDirect
    this.#said = load
    this.#kvTokensMost = Math.max(this.#kvTokensMost, load.kvTokensFree)
    this.own.learn(load, this.#options)
  }

  #predict(said: SaidLoad, nowMs: number): PredictedLoad {
    return this.own.predict(said, nowMs, this.#options)
  }

  get #reading() {
    return { roundTripMs: this.#linkMs, tokensPerSecond: this.#prefillTokensPerSecond }
  }

  get #options() {
    return { roundTripMs: this.#linkMs, tokensPerRequest: this.#tokensPerRequest }
  }
}
