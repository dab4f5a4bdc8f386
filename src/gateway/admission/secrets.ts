/**
 * Secrets that are shown once and then known only by their SHA-256 hash. They carry 160 random
 * bits, so a fast hash is enough: there is nothing to guess.
 */
import { hash, timingSafeEqual } from 'node:crypto'
import type { Random } from '../../base/index.ts'
import type { JoinTokens } from './credentials.ts'

const secretLengthBytes = 20
/** No caller's secret is longer; hashing a megabyte for a stranger would be a gift. */
const presentedLengthMax = 256

/** @param prefix for example `iso` */
export function makeSecret(prefix: string, random: Random): string {
  return `${prefix}_${Buffer.from(random.bytes(secretLengthBytes)).toString('base64url')}`
}

/** Of SHA-256. */
const hashDigits = 64

/** Hexadecimal digits, in lower case. */
export function hashSecret(secret: string): string {
  return hash('sha256', secret, 'hex')
}

export function isSecretHash(text: string): boolean {
  return /^[0-9a-f]{64}$/.test(text)
}

/** Of the hash, for finding its bucket: the caller cannot steer them. */
const bucketDigits = 8

/**
 * Finds a secret's entry by its hash, in a time that does not depend on which entry comes close.
 */
export class SecretTable<T> {
  /** By the first digits; the whole is compared in constant time. */
  readonly #buckets = new Map<string, { readonly digits: Buffer; readonly entry: T }[]>()
  /** Of the secret that is looked for. Digits, since ready bytes cost four times as much to get. */
  readonly #sought = Buffer.alloc(hashDigits)
  /** As it was presented, and the one found last: who asks again is known without a hash. */
  readonly #presented = Buffer.alloc(presentedLengthMax)
  #latest: { readonly secret: Buffer; readonly entry: T } | undefined

  constructor(entries: Iterable<readonly [hash: string, entry: T]>) {
    for (const [digest, entry] of entries) {
      const start = digest.slice(0, bucketDigits)
      const bucket = this.#buckets.get(start) ?? []
      bucket.push({ digits: Buffer.from(digest, 'latin1'), entry })
      this.#buckets.set(start, bucket)
    }
  }

  find(secret: string): T | undefined {
    if (secret.length > presentedLengthMax) return undefined
    const presented = this.#presented.subarray(0, this.#presented.write(secret))
    const latest = this.#latest
    // Only a text of a byte for each character is there whole, whatever its length.
    const isWhole = presented.length === secret.length
    if (
      isWhole &&
      latest?.secret.length === presented.length &&
      timingSafeEqual(latest.secret, presented)
    ) {
      return latest.entry
    }
    const digest = hashSecret(secret)
    const bucket = this.#buckets.get(digest.slice(0, bucketDigits))
    if (bucket === undefined) return undefined
    this.#sought.write(digest, 'latin1')
    let found: T | undefined
    for (const { digits, entry } of bucket) {
      if (timingSafeEqual(digits, this.#sought)) found = entry
    }
    if (found !== undefined && isWhole) {
      this.#latest = { secret: Buffer.from(presented), entry: found }
    }
    return found
  }
}

/** @param hashes of the tokens that let a node join */
export function createJoinTokens(hashes: Iterable<string>): JoinTokens {
  const table = new SecretTable([...hashes].map((digest) => [digest, true] as const))
  return { accepts: (token) => table.find(token) === true }
}
