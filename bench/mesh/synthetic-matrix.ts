/**
 * Round trips that nobody measured, for machines without the data: cities on a globe with several
 * nodes each, ways longer than the great circle by a factor of each pair of cities, and an access
 * line of each node. Harsher than a plane, milder than the internet.
 */
import { type Random, seededRandom } from '../../src/base/index.ts'
import type { LatencyMatrix } from '../../src/simulation/index.ts'

const earthRadiusKm = 6_371
/** There and back in fibre. */
const kmPerMs = 100
const nodesPerCity = 8
/** Of the way in fibre over the great circle. */
const stretch = { least: 1.2, most: 2.2 }
const accessMs = { least: 0.3, most: 12 }
const cityMs = { least: 0.2, most: 3 }

export function syntheticMatrix(sites: number, seed: number): LatencyMatrix {
  const random = seededRandom(seed)
  const cities = Math.max(2, Math.ceil(sites / nodesPerCity))
  const places = Array.from({ length: cities }, () => onGlobe(random))
  const between = new Float64Array(cities * cities)
  for (let a = 0; a < cities; a += 1) {
    for (let b = 0; b < a; b += 1) {
      const km = earthRadiusKm * angle(places[a] as Place, places[b] as Place)
      const ms = cityMs.least + (km / kmPerMs) * draw(stretch, random)
      between[a * cities + b] = ms
      between[b * cities + a] = ms
    }
    between[a * cities + a] = draw(cityMs, random)
  }
  const cityOf = Array.from({ length: sites }, () => random.below(cities))
  const access = Array.from({ length: sites }, () => draw(accessMs, random))
  const roundTripsMs = new Float32Array(sites * sites)
  for (let a = 0; a < sites; a += 1) {
    for (let b = 0; b < sites; b += 1) {
      if (a === b) continue
      const cityMs = between[(cityOf[a] as number) * cities + (cityOf[b] as number)] as number
      roundTripsMs[a * sites + b] = cityMs + (access[a] as number) + (access[b] as number)
    }
  }
  return { sites, roundTripsMs, notes: [] }
}

interface Place {
  readonly latitude: number
  readonly longitude: number
}

/** Where people live: between 40° south and 60° north. */
function onGlobe(random: Random): Place {
  const latitude = ((random.float() * 100 - 40) * Math.PI) / 180
  return { latitude, longitude: random.float() * 2 * Math.PI }
}

function angle(a: Place, b: Place): number {
  const cosine =
    Math.sin(a.latitude) * Math.sin(b.latitude) +
    Math.cos(a.latitude) * Math.cos(b.latitude) * Math.cos(a.longitude - b.longitude)
  return Math.acos(Math.min(1, Math.max(-1, cosine)))
}

/** Log-uniform. */
function draw({ least, most }: { least: number; most: number }, random: Random): number {
  return least * (most / least) ** random.float()
}
