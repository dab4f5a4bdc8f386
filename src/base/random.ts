/**
 * Randomness as an argument. `secureRandom` is the machine's; `seededRandom` replays from its seed.
 *
 * The seeded generator is xoshiro128** (Blackman and Vigna, 2018), seeded by splitmix32.
 */
import { randomFillSync, randomInt } from 'node:crypto'

export interface Random {
  /** Uniform in [0, 1). */
  float(): number
  /** A whole number, uniform in [0, limit). `limit` is at least 1 and at most 2^32. */
  below(limit: number): number
  bytes(length: number): Uint8Array
}

export const secureRandom: Random = {
  float: () => randomInt(2 ** 47) / 2 ** 47,
  below: (limit) => randomInt(limit),
  bytes: takeRandomBytes,
}

/** Asking the system costs the same for 16 bytes as for thousands; every request needs a few. */
const poolBytes = 4096
const pool = new Uint8Array(poolBytes)
let poolUsed = poolBytes

function takeRandomBytes(length: number): Uint8Array {
  if (length > poolBytes) return randomFillSync(new Uint8Array(length))
  if (poolUsed + length > poolBytes) {
    randomFillSync(pool)
    poolUsed = 0
  }
  const bytes = pool.slice(poolUsed, poolUsed + length)
  pool.fill(0, poolUsed, poolUsed + length) // what was given out is in one place only
  poolUsed += length
  return bytes
}

export function seededRandom(seed: number): Random {
  const state = expandSeed(seed)
  const next = () => xoshiro128StarStar(state)
  return {
    float: () => next() / 2 ** 32,
    below: (limit) => Math.floor((next() / 2 ** 32) * limit),
    bytes(length) {
      const bytes = new Uint8Array(length)
      for (let i = 0; i < length; i += 1) bytes[i] = next() & 0xff
      return bytes
    },
  }
}

function expandSeed(seed: number): Uint32Array {
  const state = new Uint32Array(4)
  let x = seed >>> 0
  for (let i = 0; i < 4; i += 1) {
    x = (x + 0x9e3779b9) >>> 0
    let z = x
    z = Math.imul(z ^ (z >>> 16), 0x85ebca6b)
    z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35)
    state[i] = (z ^ (z >>> 16)) >>> 0
  }
  return state
}

function xoshiro128StarStar(s: Uint32Array): number {
  // By index: taking an array apart goes through its iterator.
  const a = s[0] as number
  const b = s[1] as number
  const c = s[2] as number
  const d = s[3] as number
  const result = Math.imul(rotateLeft(Math.imul(b, 5), 7), 9) >>> 0
  const e = c ^ a
  const f = d ^ b
  s[0] = a ^ f
  s[1] = b ^ e
  s[2] = e ^ (b << 9)
  s[3] = rotateLeft(f, 11)
  return result
}

function rotateLeft(x: number, bits: number): number {
  return (x << bits) | (x >>> (32 - bits))
}
