import assert from 'node:assert/strict'
import { test } from 'node:test'
import { plainStyle } from '../terminal/terminal.ts'
import { widthOf } from '../terminal/width.ts'
import { type NodeView, renderNodes } from './nodes.ts'

const model = { name: 'isochrone-tiny', slots: 4, decode_tokens_per_second: 118.6 }

/** As the gateway tells it of so many requests, of which these came back whole. */
function seen(successes: number, samples: number, heard = { successes: 0, failures: 0 }) {
  const counted = samples + heard.successes + heard.failures
  const mean = (1 + successes + heard.successes) / (2 + counted)
  return { completion: { mean, samples }, heard }
}

const node: NodeView = {
  id: 'aaaaaaaabbbb',
  kind: 'node',
  region: 'eu-central',
  connected: true,
  standing: null,
  round_trip_ms: 12.34,
  in_flight: 0,
  load: { running: 3, draining: false },
  models: [model],
  evidence: [seen(1, 1)],
}

const linesAt = (width: number, nodes: readonly NodeView[] = [node]) =>
  renderNodes(nodes, { style: plainStyle, width }).trimEnd().split('\n')

test('a node is a row: how few were seen is said, and no share of them', () => {
  assert.deepEqual(linesAt(200), [
    'NODE      REGION      STATE  ROUND TRIP    BUSY  TOKENS/S  SEEN  COMPLETED  MODELS',
    'aaaaaaaa  eu-central  up        12.3 ms  3 of 4       119     1     1 of 1  isochrone-tiny',
    '',
    'Tokens/s: as each node measured itself. Seen: requests that this gateway sent there.',
    'Completed: what came back whole of what was sent there; older requests fade. What routing',
    'makes of it: --json.',
  ])
})

test('of an upstream no round trip is measured', () => {
  const upstream = { ...node, id: 'upstream-vllm', kind: 'upstream', round_trip_ms: 0 }
  assert.match(linesAt(200, [upstream])[1] ?? '', /^upstream-vllm .* up +– +3 of 4 /)
})

test('what came back whole is counted over all models, without what others told', () => {
  const completed = (...evidence: NodeView['evidence']) => {
    const models = evidence.map((_, i) => ({ ...model, name: `m${i}` }))
    const [, row = ''] = linesAt(200, [{ ...node, evidence, models }])
    return / {2}119 +\d+ +(\S.*?) {2}m0/.exec(row)?.[1]
  }
  assert.equal(completed(seen(0, 0)), '–')
  assert.equal(completed(seen(0.3, 0.3)), '–')
  assert.equal(completed(seen(2, 3), seen(4, 4)), '6 of 7')
  assert.equal(completed(seen(1, 1, { successes: 1, failures: 0 })), '1 of 1')
  assert.equal(completed(seen(30, 40), seen(0, 0)), '75.0 %')
  assert.equal(completed(seen(30, 30), seen(0, 10)), '75.0 %')
})

test('on a narrow screen it stays a table, and says which columns it has no room for', () => {
  for (const width of [40, 60, 80]) {
    const lines = linesAt(width)
    assert.match(lines[0] ?? '', /^NODE .* MODELS$/)
    assert.match(lines[1] ?? '', /^aaaaaaaa .* isochrone-tiny$/)
    for (const line of lines) assert.ok(widthOf(line) <= width, line)
    assert.match(lines.join(' '), /No room for SEEN/)
  }
  assert.match(linesAt(80).join(' '), /No room for SEEN, TOKENS\/S\./)
  assert.doesNotMatch(linesAt(80).join(' '), /Tokens\/s/)
})
