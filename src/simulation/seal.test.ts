import assert from 'node:assert/strict'
import { it } from 'node:test'
import { seededRandom } from '../base/index.ts'
import { nodeIdOf } from '../protocol/index.ts'
import { CheapSeal } from './seal.ts'

const random = seededRandom(1)
const [one, other] = [nodeIdOf(random.bytes(32)), nodeIdOf(random.bytes(32))]

it('a cheap seal holds for what was sealed and nothing else', () => {
  const seal = new CheapSeal([one])
  const bytes = Uint8Array.of(1, 2, 3)
  const made = seal.make(one, [1, 2 ** 40, 1_700_000_000_000], bytes)
  const holds = (signer: typeof one, parts: readonly number[], said: Uint8Array) =>
    new CheapSeal([other]).holds(made, signer, [parts, said])
  assert.ok(holds(one, [1, 2 ** 40, 1_700_000_000_000], bytes))
  assert.ok(!holds(other, [1, 2 ** 40, 1_700_000_000_000], bytes))
  assert.ok(!holds(one, [2, 2 ** 40, 1_700_000_000_000], bytes))
  assert.ok(!holds(one, [1, 2 ** 41, 1_700_000_000_000], bytes))
  assert.ok(!holds(one, [1, 2 ** 40, 1_700_000_000_001], bytes))
  assert.ok(!holds(one, [1, 2 ** 40, 1_700_000_000_000], Uint8Array.of(1, 2, 4)))
  assert.ok(!seal.holds(new Uint8Array(0), one, [[1], bytes]))
})
