import assert from 'node:assert/strict'
import { test } from 'node:test'
import { balancerNames } from '../../src/simulation/index.ts'
import { type Row, renderRows, routingHelp, routingWords } from './routing.ts'

const columnsMax = 100

test('the tables of a run of all policies fit a screen, whatever comes out', () => {
  const figures = {
    ...{ good: 1, late: 1, failed: 1, wrong: 0, refused: 1, goodputTokensPerSecond: 12_345_678 },
    ...{ ttftP50Ms: 600_000, ttftP99Ms: 600_000, tpotP99Ms: 600_000, slandered: 123.45 },
    ...{ faulty: { crash: 1 }, fairness: 1, newcomer: { requestsUntilFair: 1_234_567 } },
  } as unknown as Row['figures']
  const lines = renderRows(balancerNames.map((policy) => ({ policy, figures })))
  const wide = [...lines, ...routingHelp, ...routingWords].filter(
    (line) => [...line].length > columnsMax,
  )
  assert.deepEqual(wide, [])
  for (const name of balancerNames) {
    assert.equal(lines.filter((line) => line.startsWith(`${name} `)).length, 2, name)
  }
})
