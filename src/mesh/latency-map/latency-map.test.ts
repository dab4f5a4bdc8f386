import assert from 'node:assert/strict'
import { before, describe, it } from 'node:test'
import fc from 'fast-check'
import { seededRandom } from '../../base/index.ts'
import { type CellGrid, cellResolutions, loadCellGrid } from './cells.ts'
import { LatencyMap, type LinkMeasurement, pairsPerResolutionMax } from './latency-map.ts'
import { fibreRoundTripMs, leastRoundTripMs } from './light.ts'

const berlin = { latitude: 52.52, longitude: 13.4 }
const potsdam = { latitude: 52.4, longitude: 13.06 }
const warsaw = { latitude: 52.23, longitude: 21.01 }
const tokyo = { latitude: 35.68, longitude: 139.69 }
const osaka = { latitude: 34.69, longitude: 135.5 }
const hour = 3_600_000

let grid: CellGrid
before(async () => {
  grid = await loadCellGrid()
})

function link(from: string, to: string, more: Partial<LinkMeasurement> = {}): LinkMeasurement {
  const medianMs = more.medianMs ?? 100
  const usual = { link: 'a-b', medianMs, p95Ms: medianMs * 1.2, jitterMs: 4, loss: 0.01 }
  return { from, to, ...usual, ...more }
}

describe('the latency map', () => {
  it('tells of a measured pair what was measured, in both directions', () => {
    const map = new LatencyMap(grid)
    const [a, b] = [grid.cellAt(berlin), grid.cellAt(tokyo)]
    for (const name of ['1', '2', '3']) map.observe(link(a, b, { link: name, medianMs: 240 }), 0)
    const there = map.estimate(a, b, 0)
    assert.equal(there?.source, 'measured')
    assert.ok(Math.abs((there?.medianMs ?? 0) / 240 - 1) < 0.05, `${there?.medianMs} ms`)
    assert.ok((there?.loss ?? 0) > 0.005)
    assert.deepEqual(map.estimate(b, a, 0), there)
  })

  it('knows nothing at first and says so, with a guess from the distance', () => {
    const map = new LatencyMap(grid)
    const [a, b] = [grid.cellAt(berlin), grid.cellAt(tokyo)]
    const guess = map.estimate(a, b, 0)
    assert.equal(guess?.source, 'model')
    assert.equal(guess?.resolution, null)
    assert.ok((guess?.medianMs ?? 0) > 90 && (guess?.medianMs ?? 0) < 300)
  })

  it('uses what was measured around, corrected for the distance', () => {
    const map = new LatencyMap(grid)
    const slow = 2.6 * lightMs(berlin, tokyo)
    const near = link(grid.cellAt(berlin), grid.cellAt(tokyo), { medianMs: slow })
    const [c, d] = [grid.cellAt(warsaw), grid.cellAt(osaka)]
    const before = map.estimate(c, d, 0)?.medianMs ?? 0
    for (let i = 0; i < 10; i += 1) map.observe({ ...near, link: `${i}` }, 0)
    const told = map.estimate(c, d, 0)
    assert.equal(told?.source, 'region')
    assert.ok((told?.medianMs ?? 0) > 1.2 * before, `${before} → ${told?.medianMs} ms`)
  })

  it('is moved little by one link among many, however often that is measured', () => {
    const map = new LatencyMap(grid)
    const [a, b] = [grid.cellAt(berlin), grid.cellAt(tokyo)]
    for (let i = 0; i < 9; i += 1) map.observe(link(a, b, { link: `${i}`, medianMs: 220 + i }), 0)
    for (let i = 0; i < 500; i += 1) map.observe(link(a, b, { link: 'wild', medianMs: 8000 }), i)
    const told = map.estimate(a, b, 500)?.medianMs ?? 0
    assert.ok(told > 210 && told < 250, `${told} ms`)
  })

  it('goes back to what is usual when measurements grow old', () => {
    const map = new LatencyMap(grid)
    const [a, b] = [grid.cellAt(berlin), grid.cellAt(potsdam)]
    map.observe(link(a, b, { medianMs: 90 }), 0)
    const fresh = map.estimate(a, b, 0)
    const old = map.estimate(a, b, 10 * hour)
    assert.ok((fresh?.medianMs ?? 0) > (old?.medianMs ?? 0))
    assert.equal(map.estimate(a, b, 48 * hour)?.source, 'model')
  })

  it('learns stretch and last mile', () => {
    const map = new LatencyMap(grid)
    const random = seededRandom(3)
    for (let i = 0; i < 2000; i += 1) {
      const from = { latitude: random.float() * 100 - 50, longitude: random.float() * 200 - 100 }
      const apart = i % 2 === 0 ? 3 : 60
      const to = {
        latitude: from.latitude * 0.9 + 1,
        longitude: from.longitude + random.float() * apart,
      }
      const medianMs = 2.4 * lightMs(from, to) + 20
      const ends = link(grid.cellAt(from), grid.cellAt(to), { link: `${i}`, medianMs })
      map.observe(ends, i)
    }
    assert.ok(Math.abs(map.model.stretch - 2.4) < 0.1, `${map.model.stretch}`)
    assert.ok(Math.abs(map.model.lastMileMs - 20) < 4, `${map.model.lastMileMs}`)
  })

  it('does not learn what light forbids', () => {
    const map = new LatencyMap(grid)
    const ends = link(grid.cellAt(berlin), grid.cellAt(tokyo), { medianMs: 60 })
    assert.equal(map.observe(ends, 0), 'impossible')
    assert.equal(map.impossible, 1)
    assert.equal(map.size, 0)
  })

  it('expects nothing faster than light, however fast the near ends of two regions are', () => {
    const map = new LatencyMap(grid)
    const east = { latitude: 52, longitude: 75 }
    const wide = [grid.cellAt(berlin, 0), grid.cellAt(east, 0)]
    const [a, b] = wide.map((cell) => grid.place(cell))
    assert.ok(a !== undefined && b !== undefined)
    const medianMs = leastRoundTripMs(a, b) + 0.1
    for (let i = 0; i < 16; i += 1) map.observe(link(a.cell, b.cell, { link: `${i}`, medianMs }), 0)
    const ends = [grid.cellAt({ latitude: 50, longitude: 5 }), grid.cellAt(east)]
    const [from, to] = ends.map((cell) => grid.place(cell))
    assert.ok(from !== undefined && to !== undefined)
    const told = map.estimate(from.cell, to.cell, 0)
    assert.equal(told?.source, 'region')
    assert.equal(told?.medianMs, leastRoundTripMs(from, to))
  })

  it('takes nothing malformed', () => {
    const map = new LatencyMap(grid)
    const [a, b] = [grid.cellAt(berlin), grid.cellAt(tokyo)]
    const faults: Partial<LinkMeasurement>[] = [
      { from: '' },
      { from: 'ffffffffffffffff' },
      { to: '841f1d7ffffffffff' },
      { to: grid.cellAt(tokyo).toUpperCase() },
      { medianMs: Number.NaN },
      { medianMs: 0 },
      { medianMs: 1e9 },
      { p95Ms: 3 },
      { jitterMs: -1 },
      { loss: 1.5 },
      { link: 'x'.repeat(300) },
    ]
    for (const fault of faults) {
      assert.equal(map.observe(link(a, b, fault), 0), 'malformed', JSON.stringify(fault))
    }
    assert.equal(map.estimate('no cell', b, 0), undefined)
  })

  it('is bounded, and forgets the oldest pair', () => {
    const map = new LatencyMap(grid)
    const random = seededRandom(6)
    const first = link(grid.cellAt(berlin), grid.cellAt(tokyo), { medianMs: 200 })
    map.observe(first, 0)
    for (let i = 1; i <= pairsPerResolutionMax + 50; i += 1) {
      const at = { latitude: random.float() * 160 - 80, longitude: random.float() * 360 - 180 }
      const ends = { medianMs: 900, link: `${i}` }
      map.observe(link(grid.cellAt(at), first.to, ends), i)
    }
    assert.ok(map.size <= cellResolutions.length * pairsPerResolutionMax)
    assert.equal(map.measured(10_000, 1).length, pairsPerResolutionMax)
    assert.notEqual(map.estimate(first.from, first.to, 1)?.source, 'measured')
  })

  it('lists the measured pairs, the latest first', () => {
    const map = new LatencyMap(grid)
    const cells = [berlin, warsaw, tokyo].map((point) => grid.cellAt(point))
    const [a = '', b = '', c = ''] = cells
    map.observe(link(a, c, { medianMs: 200 }), 1)
    map.observe(link(a, b, { medianMs: 20 }), 2)
    const [latest, older] = map.measured(10, 3)
    assert.deepEqual(new Set([latest?.from.cell, latest?.to.cell]), new Set([a, b]))
    assert.deepEqual(new Set([older?.from.cell, older?.to.cell]), new Set([a, c]))
    assert.equal(map.measured(1, 3).length, 1)
  })
})

describe('the latency map, whatever it is told', () => {
  const point = fc.record({
    // Near enough to share coarse cells.
    latitude: fc.double({ min: 30, max: 50, noNaN: true }),
    longitude: fc.double({ min: 0, max: 60, noNaN: true }),
  })
  const place = fc.record({ point, resolution: fc.constantFrom(0, 1, 2, 3, 4) })
  const measured = fc.record({
    from: place,
    to: place,
    link: fc.constantFrom('1', '2', '3'),
    medianMs: fc.oneof(fc.double({ min: 0.01, max: 200 }), fc.double()),
    tail: fc.double({ min: 0.9, max: 5 }),
    jitterMs: fc.double({ min: -1, max: 20_000 }),
    loss: fc.double({ min: -0.1, max: 1.1 }),
  })

  it('tells finite figures that light allows, and survives its own snapshot', () => {
    const world = fc.tuple(fc.array(measured, { maxLength: 30 }), place, place)
    fc.assert(
      fc.property(world, ([links, one, other]) => {
        const cellOf = ({ point: at, resolution }: typeof one) => grid.cellAt(at, resolution)
        const map = new LatencyMap(grid)
        for (const [i, { from, to, tail, ...rest }] of links.entries()) {
          const cells = { from: cellOf(from), to: cellOf(to) }
          map.observe({ ...rest, ...cells, p95Ms: rest.medianMs * tail }, i * hour)
        }
        const again = new LatencyMap(grid)
        again.restore(JSON.parse(JSON.stringify(map.snapshot(20 * hour))), 0)
        const [from, to] = [cellOf(one), cellOf(other)]
        const [a, b] = [grid.place(from), grid.place(to)]
        assert.ok(a !== undefined && b !== undefined)
        for (const told of [map.estimate(from, to, 20 * hour), again.estimate(to, from, 0)]) {
          assert.ok(told !== undefined)
          const { medianMs, p95Ms, jitterMs, loss } = told
          assert.ok([medianMs, p95Ms, jitterMs].every(Number.isFinite), JSON.stringify(told))
          assert.ok(medianMs > 0 && medianMs >= leastRoundTripMs(a, b))
          assert.ok(p95Ms >= medianMs && jitterMs >= 0 && loss >= 0 && loss <= 1)
        }
      }),
      { numRuns: 200, seed: 20_261_121 },
    )
  })
})

describe('the snapshot of a latency map', () => {
  it('brings back what was known, through JSON', () => {
    const map = new LatencyMap(grid)
    const random = seededRandom(9)
    const cells = [berlin, warsaw, tokyo, osaka].map((point) => grid.cellAt(point))
    for (let i = 0; i < 200; i += 1) {
      const [from = '', to = ''] = [cells[random.below(4)], cells[random.below(4)]]
      const medianMs = 300 + random.float() * 20
      map.observe(link(from, to, { link: `${i}`, medianMs }), i * 60_000)
    }
    const now = 300 * 60_000
    const kept: unknown = JSON.parse(JSON.stringify(map.snapshot(now)))
    const again = new LatencyMap(grid)
    assert.ok(again.restore(kept, 5) > 20)
    const [a = '', , c = ''] = cells
    const [was, is] = [map.estimate(a, c, now), again.estimate(a, c, 5)]
    assert.equal(is?.source, 'measured')
    assert.ok(Math.abs((is?.medianMs ?? 0) / (was?.medianMs ?? 1) - 1) < 0.02)
  })

  it('is older by the time for which nobody ran', () => {
    const kept = { ...link(grid.cellAt(berlin), grid.cellAt(warsaw)), ageMs: 5 }
    const restored = (downMs: number) =>
      new LatencyMap(grid).restore({ version: 1, downMs, links: [kept] }, 0)
    assert.equal(restored(3_600_000), 1)
    assert.equal(restored(3 * 24 * 3_600_000), 0)
    assert.equal(restored(-1), 1)
  })

  it('survives whatever is in the file', () => {
    const map = new LatencyMap(grid)
    const good = { ...link(grid.cellAt(berlin), grid.cellAt(warsaw)), ageMs: 5 }
    const bad = [null, 7, 'x', {}, [], { ...good, ageMs: -1 }, { ...good, ageMs: 'soon' }]
    const more = [
      { ...good, medianMs: '5' },
      { ...good, from: 7 },
      { ...good, link: {} },
    ]
    for (const file of [undefined, null, 3, [], {}, { version: 2 }, { version: 1, links: 'all' }]) {
      assert.equal(map.restore(file, 0), 0)
    }
    assert.equal(map.restore({ version: 1, links: [...bad, ...more, good] }, 0), 1)
  })
})

function lightMs(a: { latitude: number; longitude: number }, b: typeof a): number {
  const [from, to] = [grid.place(grid.cellAt(a)), grid.place(grid.cellAt(b))]
  assert.ok(from !== undefined && to !== undefined)
  return fibreRoundTripMs(from, to)
}
