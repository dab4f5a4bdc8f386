import assert from 'node:assert/strict'
import { test } from 'node:test'
import { plainStyle } from '../terminal/terminal.ts'
import { type MeshView, renderMesh } from './mesh.ts'

const screen = { style: plainStyle, width: Number.POSITIVE_INFINITY }

const node = {
  id: 'aaaaaaaabbbb',
  role: 'node',
  state: 'alive',
  health: 'good',
  round_trip_ms: 12.34,
  round_trip_source: 'measured',
  load: { running: 3, waiting: 2 },
  slots: 4,
  tokens_per_second: 118.6,
  age_ms: 1_234,
} as const

const unknown = {
  ...node,
  id: 'gggggggghhhh',
  role: 'gateway',
  state: 'suspect',
  round_trip_ms: 40,
  round_trip_source: 'predicted',
  load: null,
  slots: null,
  tokens_per_second: null,
  age_ms: null,
} as const

const mesh: MeshView = {
  gateway: 'gggggggghhhh',
  members: 3,
  omitted: 1,
  regions: [
    {
      name: 'eu-west',
      clusters: [{ id: 'home', coordinators: ['aaaaaaaabbbb'], members: [node, unknown] }],
    },
    { name: '', clusters: [{ id: null, coordinators: [], members: [] }] },
  ],
}

test('the mesh is drawn as a tree with state, round trip and load', () => {
  const lines = renderMesh(mesh, screen)
    .split('\n')
    .map((line) => line.trimEnd().replaceAll(/ {2,}/g, '  '))
  assert.deepEqual(lines, [
    'MEMBER  STATE  ROUND TRIP  BUSY  WAITING  TOKENS/S  AGE',
    'eu-west',
    '  home',
    '  aaaaaaaa coordinator  alive  12.3 ms  3 of 4  2  119  1.2 s',
    '  gggggggg gateway  suspect  ~40.0 ms  –  –  –  –',
    '(no region)',
    '  (no cluster)',
    '… and 1 more; --json has them',
    '',
  ])
})

test('a node that leaves or is degraded is not simply alive', () => {
  const shown = (health: string) => {
    const members = [{ ...node, health }]
    const regions = [{ name: 'r', clusters: [{ id: 'c', coordinators: [], members }] }]
    return renderMesh({ ...mesh, regions }, screen)
  }
  assert.match(shown('draining'), /leaving/)
  assert.match(shown('degraded'), /degraded/)
})
