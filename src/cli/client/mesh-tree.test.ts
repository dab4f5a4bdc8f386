import assert from 'node:assert/strict'
import { test } from 'node:test'
import { plainStyle, styleFor } from '../terminal/terminal.ts'
import { widthOf } from '../terminal/width.ts'
import { type MeshView, renderMesh } from './mesh-tree.ts'

const screen = { style: plainStyle, width: Number.POSITIVE_INFINITY }

const node = {
  id: 'aaaaaaaabbbb',
  role: 'node',
  state: 'alive',
  region: 'eu-west',
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
  region: '',
  round_trip_ms: 40,
  round_trip_source: 'predicted',
  load: null,
  slots: null,
  tokens_per_second: null,
  age_ms: null,
} as const

const abroad = { ...node, id: 'ccccccccdddd', region: 'us-east', age_ms: 150_000 }

const mesh: MeshView = {
  gateway: 'gggggggghhhh',
  members: 4,
  omitted: 1,
  regions: [
    {
      name: 'eu-west',
      clusters: [
        { id: 'home', coordinators: ['aaaaaaaabbbb'], members: [node, abroad, unknown] },
        { id: 'other', coordinators: ['x', 'y'], members: [] },
      ],
    },
    { name: '', clusters: [{ id: null, coordinators: [], members: [] }] },
  ],
}

test('the mesh is drawn as a tree with state, round trip and load', () => {
  assert.deepEqual(renderMesh(mesh, screen).split('\n'), [
    'MEMBER                STATE    ROUND TRIP    BUSY  WAITING  TOKENS/S    AGE',
    'eu-west',
    '  home  coordinator aaaaaaaa',
    '    aaaaaaaa          alive       12.3 ms  3 of 4        2       119  1.2 s',
    '    cccccccc us-east  alive       12.3 ms  3 of 4        2       119  3 min',
    '    gggggggg gateway  suspect    ~40.0 ms       –        –         –      –',
    '  other  coordinators x, y',
    '(no region)',
    '  (no cluster)',
    '… and 1 more; --json has them',
    '',
    'Round trips are those of gateway gggggggg, ~ where predicted. Tokens/s: as each node',
    'measured itself. Age: how old the load is that others told; – where it is told to the',
    'gateway itself.',
    '',
  ])
})

test('on a narrow screen the last columns are left out, and named', () => {
  const long = { ...node, id: 'eeeeeeee', state: 'left', slots: 128, age_ms: 12_345 } as const
  const clusters = [{ id: `${'e'.repeat(16)}-mwqkihcx`, coordinators: ['e'], members: [long] }]
  const wide = { ...mesh, regions: [...mesh.regions, { name: 'ap-southeast', clusters }] }
  const shown = (width: number, style = plainStyle) => renderMesh(wide, { style, width })
  assert.match(shown(80), /AGE\n/)
  assert.match(shown(60), /WAITING\n/)
  assert.match(shown(60), /No room for TOKENS\/S, AGE; --json has all\./)
  const coloured = styleFor({ isTTY: true }, {})
  for (const width of [80, 60, 40]) {
    for (const style of [plainStyle, coloured]) {
      for (const line of shown(width, style).split('\n')) {
        assert.ok(widthOf(line) <= width, `${width} columns: ${line}`)
        assert.ok(line === '' || line.trim() !== '', 'no line of spaces')
      }
    }
  }
})

test('a node that leaves or is degraded is not simply alive', () => {
  assert.match(shownAlone({ health: 'draining' }), /leaving/)
  assert.match(shownAlone({ health: 'degraded' }), /degraded/)
})

test('of one that is gone, what it said last of its load is not shown', () => {
  assert.match(shownAlone({ state: 'dead', round_trip_ms: null }), /dead +– +– +– +– +1\.2 s/)
  assert.match(shownAlone({ state: 'left' }), /left +12\.3 ms +– +– +– +1\.2 s/)
})

function shownAlone(changed: Partial<MeshView['regions'][0]['clusters'][0]['members'][0]>): string {
  const members = [{ ...node, ...changed }]
  const regions = [{ name: 'eu-west', clusters: [{ id: 'c', coordinators: [], members }] }]
  return renderMesh({ ...mesh, omitted: 0, regions }, screen)
}
