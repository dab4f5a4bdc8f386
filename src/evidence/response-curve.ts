/**
 * How the time to the first token of one worker grows with the prompt and with what it has to do
 * besides: a straight line in both, fitted by fading least squares to what was seen of it.
 *
 * Each slope is held back as if a few more requests of usual variety had shown none: so a few alike
 * do not make a steep one, and many alike make none.
 */
import { fade } from './fading.ts'

export interface Response {
  /** Of the requests that were seen, the means. */
  readonly meanMs: number
  readonly promptTokens: number
  readonly load: number
  /** ms for each further token of the prompt; not below 0. */
  readonly msPerPromptToken: number
  /** ms for each further request per slot; not below 0. */
  readonly msPerLoad: number
  /** Of what was seen from the line. */
  readonly deviationMs: number
  /** Effective number after decay. */
  readonly samples: number
}

/** As many requests of usual variety hold a slope back. */
const heldBackBy = 2
const usualPromptTokens = 500
const usualLoad = 0.25

export class ResponseCurve {
  readonly #halfLifeMs: number
  #atMs = 0
  #weight = 0
  #ms = 0
  #tokens = 0
  #load = 0
  // Sums of weighted products of deviations from the means.
  #msMs = 0
  #msTokens = 0
  #msLoad = 0
  #tokensTokens = 0
  #tokensLoad = 0
  #loadLoad = 0

  constructor(halfLifeMs: number) {
    this.#halfLifeMs = halfLifeMs
  }

  /** The clock was set back. */
  comeBack(now: number): void {
    this.#atMs = Math.min(this.#atMs, now)
  }

  /** @param load requests per slot before this one */
  add(ms: number, { tokens, load }: { tokens: number; load: number }, atMs: number): void {
    if (!(ms >= 0 && tokens >= 0 && load >= 0) || !Number.isFinite(ms + tokens + load)) return
    const fading = fade(this.#atMs, atMs, this.#halfLifeMs)
    const weight = fade(atMs, this.#atMs, this.#halfLifeMs)
    this.#atMs = Math.max(this.#atMs, atMs)
    const before = this.#weight * fading
    this.#weight = before + weight
    const share = weight / this.#weight
    const [dMs, dTokens, dLoad] = [ms - this.#ms, tokens - this.#tokens, load - this.#load]
    this.#ms += dMs * share
    this.#tokens += dTokens * share
    this.#load += dLoad * share
    // Of two groups with their own means: what the difference of the means adds.
    const between = before * share
    this.#msMs = this.#msMs * fading + between * dMs * dMs
    this.#msTokens = this.#msTokens * fading + between * dMs * dTokens
    this.#msLoad = this.#msLoad * fading + between * dMs * dLoad
    this.#tokensTokens = this.#tokensTokens * fading + between * dTokens * dTokens
    this.#tokensLoad = this.#tokensLoad * fading + between * dTokens * dLoad
    this.#loadLoad = this.#loadLoad * fading + between * dLoad * dLoad
  }

  /** undefined: nothing was seen. */
  response(now: number): Response | undefined {
    if (this.#weight === 0) return undefined
    const samples = this.#weight * fade(this.#atMs, now, this.#halfLifeMs)
    const [byTokens, byLoad] = this.#slopes()
    const explained = byTokens * this.#msTokens + byLoad * this.#msLoad
    const left = this.#msMs - 2 * explained + this.#squaresOf(byTokens, byLoad)
    return {
      meanMs: this.#ms,
      promptTokens: this.#tokens,
      load: this.#load,
      msPerPromptToken: byTokens,
      msPerLoad: byLoad,
      deviationMs: Math.sqrt(Math.max(0, left / this.#weight)),
      samples,
    }
  }

  #slopes(): readonly [byTokens: number, byLoad: number] {
    const tt = this.#tokensTokens + heldBackBy * usualPromptTokens ** 2
    const ll = this.#loadLoad + heldBackBy * usualLoad ** 2
    const tl = this.#tokensLoad
    const determinant = tt * ll - tl * tl
    const byTokens = (this.#msTokens * ll - this.#msLoad * tl) / determinant
    const byLoad = (this.#msLoad * tt - this.#msTokens * tl) / determinant
    // Nothing gets faster by being longer or busier: then the other one explains it alone.
    if (byTokens < 0) return [0, Math.max(0, this.#msLoad / ll)]
    if (byLoad < 0) return [Math.max(0, this.#msTokens / tt), 0]
    return [byTokens, byLoad]
  }

  #squaresOf(byTokens: number, byLoad: number): number {
    return (
      byTokens * byTokens * this.#tokensTokens +
      2 * byTokens * byLoad * this.#tokensLoad +
      byLoad * byLoad * this.#loadLoad
    )
  }
}

/** What a request of this size takes, with so many requests per slot before it. */
export function respond(response: Response, promptTokens: number, load: number): number {
  const { meanMs, msPerPromptToken, msPerLoad } = response
  const byPrompt = msPerPromptToken * (promptTokens - response.promptTokens)
  return Math.max(0, meanMs + byPrompt + msPerLoad * (load - response.load))
}
