/**
 * Whether a request may enter: who asks, how much they asked lately, how much is under way.
 */
import type { Clock } from '../../base/index.ts'
import { IsochroneError } from '../../protocol/index.ts'
import type { Account, ApiKeys } from './credentials.ts'
import { type BucketState, TokenBucket } from './token-bucket.ts'

export interface AdmissionOptions {
  readonly requireApiKey: boolean
  /** What makes a key, as it is typed here; undefined: callers are on other machines. */
  readonly keyCommand?: string | undefined
  readonly requestsInFlightMax: number
  readonly requestsPerMinute: number
  readonly tokensPerMinute: number
}

export interface AdmissionModules {
  readonly clock: Clock
  readonly apiKeys: ApiKeys
}

export interface Allowance {
  readonly requests: BucketState
  readonly tokens: BucketState
}

/** Holds a place among the requests under way until it is released. */
export interface Permit {
  /** @param tokens that the request really cost; undefined: unknown, the estimate stands */
  release(tokens: number | undefined): void
}

export const anonymous: Account = Object.freeze({
  keyId: 'anonymous',
  name: 'anonymous',
  role: 'client',
  limits: Object.freeze({ requestsPerMinute: null, tokensPerMinute: null }),
})

/**
 * Accounts whose buckets are kept; the longest unused goes first and starts again with full ones.
 */
const accountsMax = 10_000

interface Buckets {
  readonly requests: TokenBucket
  readonly tokens: TokenBucket
}

export class Admission {
  readonly #options: AdmissionOptions
  readonly #modules: AdmissionModules
  readonly #buckets = new Map<string, Buckets>()
  #inFlight = 0
  /** The last one in the map. */
  #newest: Buckets | undefined

  constructor(options: AdmissionOptions, modules: AdmissionModules) {
    this.#options = options
    this.#modules = modules
  }

  get inFlight(): number {
    return this.#inFlight
  }

  /** @param authorization the header; throws `invalid_api_key` */
  authenticate(authorization: string | undefined): Account {
    const key = bearerOf(authorization)
    const account = key === undefined ? undefined : this.#modules.apiKeys.find(key)
    if (account !== undefined) return account
    if (!this.#options.requireApiKey) return anonymous
    const what =
      key === undefined
        ? 'No API key was sent. Put it into the header: Authorization: Bearer iso_…'
        : 'The API key is unknown or revoked.'
    const { keyCommand } = this.#options
    const mend =
      keyCommand === undefined
        ? 'Ask whoever runs this gateway for a new one.'
        : `On this machine a new one is made with: ${keyCommand}`
    throw new IsochroneError('invalid_api_key', `${what} ${mend}`)
  }

  /** Throws `rate_limited` or `all_nodes_busy`, both with `retryAfterMs` in their detail. */
  admit(account: Account, estimatedTokens: number): Permit {
    const now = this.#modules.clock.monotonic()
    const { requests, tokens } = this.#bucketsOf(account, now)
    if (this.#inFlight >= this.#options.requestsInFlightMax) {
      throw refusal('all_nodes_busy', `${this.#inFlight} requests are under way here`, 1000)
    }
    checkRequests(requests, now)
    const tokensMs = tokens.waitMs(estimatedTokens, now)
    if (tokensMs > 0) {
      throw refusal('rate_limited', usedUp(tokens.limit, 'token'), tokensMs)
    }
    const reserved = Math.min(estimatedTokens, tokens.limit)
    requests.take(1, now)
    tokens.take(reserved, now)
    this.#inFlight += 1
    return { release: this.#releaseOnce(tokens, reserved) }
  }

  /** Counts one request that takes no place and costs no tokens; throws `rate_limited`. */
  count(account: Account): void {
    const now = this.#modules.clock.monotonic()
    const { requests } = this.#bucketsOf(account, now)
    checkRequests(requests, now)
    requests.take(1, now)
  }

  allowance(account: Account): Allowance {
    const now = this.#modules.clock.monotonic()
    const { requests, tokens } = this.#bucketsOf(account, now)
    return { requests: requests.state(now), tokens: tokens.state(now) }
  }

  #releaseOnce(tokens: TokenBucket, reserved: number): (actual: number | undefined) => void {
    let released = false
    return (actual) => {
      if (released) return
      released = true
      this.#inFlight -= 1
      if (actual !== undefined) tokens.take(actual - reserved, this.#modules.clock.monotonic())
    }
  }

  #bucketsOf(account: Account, now: number): Buckets {
    const requestLimit = account.limits.requestsPerMinute ?? this.#options.requestsPerMinute
    const tokenLimit = account.limits.tokensPerMinute ?? this.#options.tokensPerMinute
    const known = this.#buckets.get(account.keyId)
    const same = known?.requests.limit === requestLimit && known.tokens.limit === tokenLimit
    if (same && this.#newest === known) return known
    const buckets = same
      ? known
      : { requests: new TokenBucket(requestLimit, now), tokens: new TokenBucket(tokenLimit, now) }
    this.#newest = buckets
    this.#buckets.delete(account.keyId)
    this.#buckets.set(account.keyId, buckets)
    const oldest = this.#buckets.keys().next().value
    if (this.#buckets.size > accountsMax && oldest !== undefined) this.#buckets.delete(oldest)
    return buckets
  }
}

/** Throws where the next request has to wait. */
function checkRequests(requests: TokenBucket, now: number): void {
  const waitMs = requests.waitMs(1, now)
  if (waitMs === 0) return
  throw refusal('rate_limited', usedUp(requests.limit, 'request'), waitMs)
}

function usedUp(limit: number, what: string): string {
  return limit === 1
    ? `1 ${what} per minute is used up`
    : `${limit} ${what}s per minute are used up`
}

function refusal(
  code: 'rate_limited' | 'all_nodes_busy',
  what: string,
  retryAfterMs: number,
): IsochroneError {
  const seconds = Math.ceil(retryAfterMs / 1000)
  return new IsochroneError(code, `${what}; try again in ${seconds} s`, {
    detail: { retryAfterMs },
  })
}

function bearerOf(authorization: string | undefined): string | undefined {
  if (authorization === undefined || !/^bearer /i.test(authorization)) return undefined
  return authorization.slice('bearer '.length).trim()
}
