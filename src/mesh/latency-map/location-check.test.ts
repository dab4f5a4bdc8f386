import assert from 'node:assert/strict'
import { before, describe, it } from 'node:test'
import fc from 'fast-check'
import { type Random, seededRandom } from '../../base/index.ts'
import type { NodeId } from '../../protocol/index.ts'
import {
  type CellGrid,
  cellResolutionMax,
  directionOf,
  distanceKm,
  loadCellGrid,
  type Point,
} from './cells.ts'
import { fibreKmPerMs } from './light.ts'
import { LocationCheck, type LocationEvent, locationLimits } from './location-check.ts'

let grid: CellGrid
before(async () => {
  grid = await loadCellGrid()
})

const nodeId = (name: string) => name as NodeId
const europe: readonly Point[] = [
  { latitude: 52.52, longitude: 13.4 },
  { latitude: 48.86, longitude: 2.35 },
  { latitude: 50.11, longitude: 8.68 },
  { latitude: 52.37, longitude: 4.9 },
  { latitude: 51.51, longitude: -0.13 },
  { latitude: 52.23, longitude: 21.01 },
]
const sydney: Point = { latitude: -33.87, longitude: 151.21 }
const tokyo: Point = { latitude: 35.68, longitude: 139.69 }

/** A check, its clock, and what it has said. */
class Court {
  readonly check = new LocationCheck(grid)
  readonly events: LocationEvent[] = []
  #nowMs = 0

  get nowMs(): number {
    return this.#nowMs
  }

  declare(name: string, point: Point, resolution: number = cellResolutionMax): void {
    const cell = grid.cellAt(point, resolution)
    this.#step({ kind: 'declared', id: nodeId(name), cell })
  }

  measure(witness: string, name: string, roundTripMs: number): void {
    this.#step({ kind: 'measured', witness: nodeId(witness), id: nodeId(name), roundTripMs })
  }

  pass(ms: number): void {
    const until = this.#nowMs + ms
    for (;;) {
      const { wakeAtMs } = this.check.step({ kind: 'tick' }, this.#nowMs)
      if (wakeAtMs > until) break
      this.#nowMs = wakeAtMs
      this.#step({ kind: 'tick' })
    }
    this.#nowMs = until
  }

  refuted(): readonly string[] {
    return this.events.flatMap((event) => (event.kind === 'location-refuted' ? [event.id] : []))
  }

  #step(input: Parameters<LocationCheck['step']>[0]): void {
    this.events.push(...this.check.step(input, this.#nowMs).events)
  }
}

/** Six honest nodes in Europe who have measured each other, and one more whom they measure. */
function europeWith(name: string, declared: Point, truly: Point): Court {
  const court = new Court()
  court.declare(name, declared)
  for (const [i, point] of europe.entries()) {
    court.declare(`europe-${i}`, point)
    for (let j = 0; j < i; j += 1) {
      court.measure(`europe-${i}`, `europe-${j}`, possibleMs(point, europe[j] ?? point))
    }
    court.measure(`europe-${i}`, name, possibleMs(point, truly))
  }
  return court
}

describe('the check of declared locations', () => {
  it('refutes a node in Paris that says Sydney, with its witnesses', () => {
    const court = europeWith('liar', sydney, { latitude: 48.85, longitude: 2.3 })
    court.pass(5 * 60_000)
    assert.deepEqual(court.refuted(), ['liar'])
    const [event] = court.events
    assert.ok(event?.kind === 'location-refuted')
    assert.equal(event.witnesses.length, europe.length)
    for (const { roundTripMs, leastMs } of event.witnesses) assert.ok(roundTripMs < leastMs)
    assert.equal(court.check.verdict(nodeId('liar'), court.nowMs)?.status, 'refuted')
    assert.equal(court.check.refuted, 1)
    // A refuted node’s word disputes nobody, however often it is measured.
    for (const i of europe.keys()) court.measure('liar', `europe-${i}`, 1)
    assert.deepEqual(court.check.counts(), { consistent: europe.length, disputed: 0, refuted: 1 })
    assert.deepEqual([...court.check.ids()][0], 'liar')
  })

  it('refutes nobody where the truth is told', () => {
    const court = europeWith('honest', tokyo, tokyo)
    court.pass(60 * 60_000)
    assert.deepEqual(court.events, [])
  })

  it('waits for a second review: the first to be heard are not all', () => {
    const court = new Court()
    court.declare('node', tokyo)
    for (const [i, point] of europe.entries()) court.declare(`europe-${i}`, point)
    for (const i of [0, 1, 2]) court.measure(`europe-${i}`, 'node', 5)
    court.pass(locationLimits.reviewIntervalMs)
    for (const i of [1, 2, 3]) {
      court.declare(`tokyo-${i}`, tokyo)
      court.measure(`tokyo-${i}`, 'node', 1)
    }
    court.pass(10 * 60_000)
    assert.deepEqual(court.refuted(), [])
    assert.equal(court.check.verdict(nodeId('node'), court.nowMs)?.status, 'disputed')
  })

  it('does not refute on the word of two', () => {
    const court = new Court()
    court.declare('node', sydney)
    for (const i of [0, 1]) {
      court.declare(`europe-${i}`, europe[i] ?? tokyo)
      court.measure(`europe-${i}`, 'node', 5)
    }
    court.pass(60 * 60_000)
    assert.deepEqual(court.refuted(), [])
  })

  it('does not refute on the word of many who contradict each other', () => {
    const court = new Court()
    court.declare('node', { latitude: 0, longitude: -30 })
    const far = [tokyo, sydney, europe[0], { latitude: 40.7, longitude: -74 }]
    for (const [i, point] of far.entries()) {
      court.declare(`witness-${i}`, point ?? tokyo)
      court.measure(`witness-${i}`, 'node', 2)
    }
    court.pass(20 * 60_000)
    assert.deepEqual(court.refuted(), [])
    assert.equal(court.check.verdict(nodeId('node'), court.nowMs)?.contradictions.length, 4)
  })

  it('restores a node that declares where it is', () => {
    const court = europeWith('liar', sydney, europe[0] ?? tokyo)
    court.pass(5 * 60_000)
    court.declare('liar', europe[0] ?? tokyo)
    assert.deepEqual(court.events.at(-1), { kind: 'location-restored', id: nodeId('liar') })
    for (const i of [1, 2, 3]) court.measure(`europe-${i}`, 'liar', 20)
    court.pass(60 * 60_000)
    assert.deepEqual(court.refuted(), ['liar'])
  })

  it('restores a node that nobody has measured for long', () => {
    const court = europeWith('liar', sydney, europe[0] ?? tokyo)
    court.pass(2 * locationLimits.measurementLifeMs)
    assert.equal(court.check.refuted, 0)
    assert.equal(court.check.step({ kind: 'tick' }, court.nowMs).wakeAtMs, Number.POSITIVE_INFINITY)
  })

  it('takes no measurement for a while after a move, but not after each of many', () => {
    const home = europe[0] ?? tokyo
    const court = europeWith('mover', home, home)
    court.pass(2 * locationLimits.settlingEveryMs)
    const remeasure = () => {
      for (const i of [1, 2, 3, 4]) court.measure(`europe-${i}`, 'mover', 15)
    }
    court.declare('mover', tokyo)
    remeasure() // the links' windows still hold what was before
    court.pass(locationLimits.settlingMs - 1)
    assert.deepEqual(court.refuted(), [])
    court.declare('mover', sydney)
    court.pass(2)
    remeasure()
    court.pass(5 * 60_000)
    assert.deepEqual(court.refuted(), ['mover'])
  })

  it('names a cell that is none', () => {
    const court = new Court()
    const input = { kind: 'declared', id: nodeId('node'), cell: 'nowhere' } as const
    const { events } = court.check.step(input, 0)
    assert.deepEqual(events, [{ kind: 'location-rejected', id: 'node', cell: 'nowhere' }])
    assert.equal(court.check.verdict(nodeId('node'), 0), undefined)
  })

  it('takes no more witnesses than it keeps, nor measurements of nonsense', () => {
    const court = new Court()
    court.declare('node', sydney)
    for (let i = 0; i < 2 * locationLimits.witnessesMax; i += 1) {
      court.declare(`w${i}`, sydney)
      court.measure(`w${i}`, 'node', 3)
    }
    for (const ms of [0, -1, Number.NaN, Number.POSITIVE_INFINITY]) court.measure('w0', 'w1', ms)
    court.measure('stranger', 'node', 1)
    court.measure('node', 'node', 1)
    const verdict = court.check.verdict(nodeId('node'), 0)
    assert.equal(verdict?.witnesses, locationLimits.witnessesMax)
    assert.equal(court.check.verdict(nodeId('w1'), 0)?.witnesses, 1)
  })
})

const seeds = fc.integer({ min: 0, max: 2 ** 31 - 1 })
const property = { numRuns: 150, seed: 20_261_121 }

describe('the check of declared locations, whatever the world', () => {
  it('never refutes among honest nodes', () => {
    fc.assert(
      fc.property(seeds, fc.integer({ min: 4, max: 30 }), (seed, count) => {
        const random = seededRandom(seed)
        const points = Array.from({ length: count }, () => somewhere(random))
        const court = new Court()
        for (const [i, point] of points.entries()) {
          court.declare(`n${i}`, point, random.below(cellResolutionMax + 1))
        }
        const perfect = { ...random, float: () => 0 } // every path straight, nothing ever waits
        measureAll(court, points, random.below(2) === 0 ? perfect : random)
        court.pass(10 * 60_000)
        assert.deepEqual(court.events, [])
      }),
      property,
    )
  })

  it('never refutes an honest node when fewer than half of its witnesses lie', () => {
    fc.assert(
      fc.property(seeds, fc.integer({ min: 6, max: 24 }), (seed, honest) => {
        const random = seededRandom(seed)
        // Near enough to each other for all of them to be witnesses.
        const points = Array.from({ length: honest }, () => somewhere(random, europe[0], 1500))
        const liars = random.below(honest - 2) + 1 // and each honest node has honest − 1 more
        const court = new Court()
        for (const [i, point] of points.entries()) court.declare(`n${i}`, point)
        const agreed = somewhere(random)
        const doAgree = random.below(3) > 0
        for (let i = 0; i < liars; i += 1) {
          court.declare(`liar${i}`, doAgree ? agreed : somewhere(random))
        }
        measureAll(court, points, random)
        const victims = random.below(honest) + 1
        for (let i = 0; i < liars; i += 1) {
          for (let j = 0; j < victims; j += 1) court.measure(`liar${i}`, `n${j}`, 0.01)
        }
        court.pass(20 * 60_000)
        assert.ok(!court.refuted().some((id) => id.startsWith('n')), court.refuted().join())
      }),
      property,
    )
  })

  it('refutes a liar far from where it says, when most witnesses are honest and near it', () => {
    fc.assert(
      fc.property(seeds, fc.integer({ min: 3, max: 24 }), (seed, honest) => {
        const random = seededRandom(seed)
        const points = Array.from({ length: honest }, () => somewhere(random, europe[0], 1000))
        const accomplices = random.below(Math.ceil(honest / 2))
        const truly = somewhere(random, europe[0], 1000)
        const said = somewhere(random, sydney, 4000)
        const court = new Court()
        for (const [i, point] of points.entries()) court.declare(`n${i}`, point)
        court.declare('liar', said)
        measureAll(court, points, random)
        for (const [i, point] of points.entries()) {
          court.measure(`n${i}`, 'liar', possibleMs(point, truly, random))
        }
        for (let i = 0; i < accomplices; i += 1) {
          court.declare(`accomplice${i}`, said)
          court.measure(`accomplice${i}`, 'liar', 1)
        }
        court.pass(10 * 60_000)
        assert.deepEqual(court.refuted(), ['liar'])
      }),
      property,
    )
  })
})

/** Everyone measures everyone, with whatever delay nature allows. */
function measureAll(court: Court, points: readonly Point[], random: Random): void {
  for (const [i, from] of points.entries()) {
    for (const [j, to] of points.entries()) {
      if (i !== j) court.measure(`n${i}`, `n${j}`, possibleMs(from, to, random))
    }
  }
}

/** A round trip between two very points, not cells: light in fibre at the least. */
function possibleMs(from: Point, to: Point, random?: Random): number {
  const km = distanceKm(directionOf(from), directionOf(to))
  const stretch = random === undefined ? 1.3 : 1 + random.float() * 2
  return 0.001 + ((2 * km) / fibreKmPerMs) * stretch
}

/** Anywhere on the earth, or within some distance. */
function somewhere(random: Random, near?: Point, withinKm = 1): Point {
  if (near === undefined) {
    const latitude = (Math.asin(2 * random.float() - 1) * 180) / Math.PI
    return { latitude, longitude: random.float() * 360 - 180 }
  }
  const angle = random.float() * 2 * Math.PI
  const degrees = (random.float() * withinKm) / 111.2
  const latitude = near.latitude + degrees * Math.sin(angle) * 0.5
  const east = (degrees * Math.cos(angle) * 0.5) / Math.cos((latitude * Math.PI) / 180)
  return { latitude, longitude: ((near.longitude + east + 540) % 360) - 180 }
}
