/**
 * What admission needs to know of a client's or a node's credentials; secrets themselves are not
 * kept.
 */

/** null: the gateway's default. */
export interface KeyLimits {
  readonly requestsPerMinute: number | null
  readonly tokensPerMinute: number | null
}

/** A `client` sees the decisions of its own requests, an `operator` all of them. */
export type KeyRole = 'client' | 'operator'

export interface Account {
  /** `key_…`: names the key without revealing it. */
  readonly keyId: string
  readonly name: string
  readonly role: KeyRole
  readonly limits: KeyLimits
}

export interface ApiKeys {
  /** Constant-time; undefined: unknown or revoked. */
  find(key: string): Account | undefined
}

export interface JoinTokens {
  /** Constant-time. */
  accepts(token: string): boolean
}
