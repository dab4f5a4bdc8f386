import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { seededRandom } from '../../base/index.ts'
import { type NodeId, nodeIdOf } from '../../protocol/index.ts'
import { origin } from './coordinate.ts'
import { KeptSamples, keptLimits } from './kept-samples.ts'
import { Neighbourhood, neighbourhoodLimits } from './neighbourhood.ts'

const random = seededRandom(6)
const ids = Array.from({ length: 400 }, () => nodeIdOf(random.bytes(32)))
const idAt = (index: number) => ids[index] as NodeId
const at = (x: number) => ({ ...origin, position: [x, 0, 0, 0, 0, 0, 0, 0] })

function kept(count: number): KeptSamples {
  const samples = new KeptSamples()
  for (let i = 0; i < count; i += 1) {
    samples.measured(idAt(i), 30, i)
    samples.heard(idAt(i), origin, i)
  }
  return samples
}

function choices(
  neighbourhood: Neighbourhood,
  choice: Parameters<Neighbourhood['next']>[0],
): Map<NodeId | undefined, number> {
  const counts = new Map<NodeId | undefined, number>()
  for (let i = 0; i < 400; i += 1) {
    const id = neighbourhood.next(choice)
    counts.set(id, (counts.get(id) ?? 0) + 1)
  }
  return counts
}

describe('whom to measure next', () => {
  it('is nobody where nobody is known', () => {
    const neighbourhood = new Neighbourhood(seededRandom(1))
    const nobody = { own: origin, kept: kept(0), stranger: undefined }
    assert.equal(neighbourhood.next(nobody), undefined)
  })

  it('is a stranger, and often the nearest that was heard of', () => {
    const neighbourhood = new Neighbourhood(seededRandom(1))
    for (const index of [300, 301, 302]) neighbourhood.heard(idAt(index), at(index - 295))
    const counts = choices(neighbourhood, { own: origin, kept: kept(20), stranger: idAt(399) })
    assert.ok((counts.get(idAt(300)) ?? 0) > 100)
    assert.ok((counts.get(idAt(399)) ?? 0) > 200)
    assert.equal(counts.size, 2)
  })

  it('is, once enough are kept, the one whose coordinate is the stalest', () => {
    const neighbourhood = new Neighbourhood(seededRandom(1))
    const full = kept(keptLimits.peersMax)
    full.heard(idAt(0), origin, 1_000)
    const counts = choices(neighbourhood, { own: origin, kept: full, stranger: idAt(399) })
    assert.ok((counts.get(idAt(1)) ?? 0) > 300)
    assert.ok((counts.get(idAt(399)) ?? 0) > 10)
  })

  it('does not remember more than it may, nor who is gone', () => {
    const neighbourhood = new Neighbourhood(seededRandom(1))
    const { heardMax } = neighbourhoodLimits
    for (let i = 0; i <= heardMax; i += 1) neighbourhood.heard(idAt(i), at(i))
    neighbourhood.forget(idAt(1))
    const choice = { own: origin, kept: kept(0), stranger: undefined }
    assert.equal(neighbourhood.next(choice), idAt(2))
  })
})
