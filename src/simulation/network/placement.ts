/**
 * Where each host stands, and how long the way between two of them is. As many hosts as sites or
 * fewer: each has a site of its own. More: sites are shared, and each host has a last mile of its
 * own, so that no two are at the same place.
 */
import type { Random } from '../../base/index.ts'
import type { LatencyMatrix } from './latency-matrix.ts'

/** One way: from a rack beside the exchange to a home line. */
const lastMileMs = { least: 0.05, most: 1 }
/** One way within a site, besides the last miles: a switch or two. */
const withinSiteMs = 0.05

export class Placement {
  readonly hosts: number
  readonly sites: number
  readonly #siteOf: Uint16Array
  readonly #lastMileMs: Float64Array
  /** Half the round trip, the mean of both directions. */
  readonly #oneWayMs: Float32Array

  constructor(matrix: LatencyMatrix, hosts: number, random: Random) {
    const { sites, roundTripsMs } = matrix
    this.hosts = hosts
    this.sites = sites
    this.#siteOf = new Uint16Array(hosts)
    this.#lastMileMs = new Float64Array(hosts)
    this.#oneWayMs = new Float32Array(sites * sites)
    for (let a = 0; a < sites; a += 1) {
      for (let b = 0; b < sites; b += 1) {
        const there = roundTripsMs[a * sites + b] as number
        const back = roundTripsMs[b * sites + a] as number
        this.#oneWayMs[a * sites + b] = a === b ? withinSiteMs : (there + back) / 4
      }
    }
    const order = shuffledSites(sites, random)
    const isShared = hosts > sites
    for (let host = 0; host < hosts; host += 1) {
      this.#siteOf[host] = order[host % sites] as number
      this.#lastMileMs[host] = isShared ? drawLastMileMs(random) : 0
    }
  }

  siteOf(host: number): number {
    return this.#siteOf[host] as number
  }

  /** One way between sites: no two hosts there are nearer than this. */
  siteWayMs(from: number, to: number): number {
    return this.#oneWayMs[from * this.sites + to] as number
  }

  /** One way, without jitter. */
  oneWayMs(from: number, to: number): number {
    const siteFrom = this.#siteOf[from] as number
    const siteTo = this.#siteOf[to] as number
    return (
      (this.#oneWayMs[siteFrom * this.sites + siteTo] as number) +
      ((this.#lastMileMs[from] as number) + (this.#lastMileMs[to] as number))
    )
  }

  /** What a measurement without jitter would say. */
  roundTripMs(from: number, to: number): number {
    return 2 * this.oneWayMs(from, to)
  }
}

function drawLastMileMs(random: Random): number {
  const { least, most } = lastMileMs
  return least * (most / least) ** random.float()
}

function shuffledSites(sites: number, random: Random): Uint16Array {
  const order = Uint16Array.from({ length: sites }, (_, site) => site)
  for (let i = sites - 1; i > 0; i -= 1) {
    const j = random.below(i + 1)
    const moved = order[i] as number
    order[i] = order[j] as number
    order[j] = moved
  }
  return order
}
