// Every rule of .dependency-cruiser.cjs, shown to bite on a small tree of its own; and the table in
// ARCHITECTURE.md.
import assert from 'node:assert/strict'
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, test } from 'node:test'
import { cruise } from 'dependency-cruiser'

const root = join(import.meta.dirname, '..')
const require = createRequire(import.meta.url)
const { rooms } = require('./rooms.cjs') as { rooms: Readonly<Record<string, readonly string[]>> }
const here = process.cwd()
const trees: string[] = []
const door = '/** A room. */\nexport {}\n'

after(() => {
  process.chdir(here)
  for (const tree of trees) rmSync(tree, { recursive: true, force: true })
})

/** The names of the rules that a tree of these files violates. */
async function violations(files: Readonly<Record<string, string>>): Promise<readonly string[]> {
  const tree = mkdtempSync(join(tmpdir(), 'isochrone-rooms-'))
  trees.push(tree)
  const packageFile =
    '{"type":"module","dependencies":{"flatbuffers":"*"},"devDependencies":{"openai":"*"}}'
  const all = { 'package.json': packageFile, 'src/base/index.ts': door, ...files }
  for (const [file, text] of Object.entries(all)) {
    mkdirSync(dirname(join(tree, file)), { recursive: true })
    writeFileSync(join(tree, file), text)
  }
  for (const name of ['.dependency-cruiser.cjs', 'tools/rooms.cjs']) {
    mkdirSync(dirname(join(tree, name)), { recursive: true })
    cpSync(join(root, name), join(tree, name))
  }
  symlinkSync(join(root, 'node_modules'), join(tree, 'node_modules'))
  process.chdir(tree)
  const config = require(join(tree, '.dependency-cruiser.cjs'))
  const folders = ['src', ...(files['bench/main.ts'] === undefined ? [] : ['bench'])]
  const { output } = await cruise(folders, {
    ...config.options,
    baseDir: tree,
    validate: true,
    ruleSet: { forbidden: config.forbidden },
  })
  assert(typeof output === 'object')
  return [...new Set(output.summary.violations.map((violation) => violation.rule.name))].sort()
}

const cases: readonly [what: string, rules: readonly string[], files: Record<string, string>][] = [
  [
    'imports that the table allows pass',
    [],
    {
      'src/protocol/index.ts': "export { a } from './ids.ts'\nimport '../base/index.ts'\n",
      'src/protocol/ids.ts': "import * as a from 'flatbuffers'\nexport { a }\n",
      'src/protocol/ids.test.ts': "import 'openai'\nimport './ids.ts'\n",
    },
  ],
  [
    'a room that imports one it may not',
    ['room-evidence'],
    {
      'src/routing/index.ts': door,
      'src/evidence/index.ts': "import '../routing/index.ts'\n",
    },
  ],
  [
    'a room that imports only a type from one it may not',
    ['room-protocol'],
    {
      'src/routing/index.ts': 'export interface A {}\n',
      'src/protocol/index.ts': "export type { A } from '../routing/index.ts'\n",
    },
  ],
  [
    'a file behind the door of another room',
    ['only-through-doors'],
    {
      'src/base/clock.ts': 'export const a = 1\n',
      'src/base/index.ts': "export { a } from './clock.ts'\n",
      'src/protocol/index.ts': "import type { a } from '../base/clock.ts'\nexport type { a }\n",
    },
  ],
  [
    'a bench that goes behind a door',
    ['tools-and-benches-through-doors'],
    {
      'src/base/clock.ts': 'export const a = 1\n',
      'src/base/index.ts': "export { a } from './clock.ts'\n",
      'bench/main.ts': "import '../src/base/clock.ts'\n",
    },
  ],
  [
    'node that imports gateway, in a test',
    ['node-and-gateway-apart'],
    {
      'src/node/index.ts': door,
      'src/gateway/index.ts': door,
      'src/node/a.test.ts': "import '../gateway/index.ts'\n",
    },
  ],
  [
    'a cycle of values',
    ['no-cycles'],
    {
      'src/base/a.ts': "import './b.ts'\nexport const a = 1\n",
      'src/base/b.ts': "import './a.ts'\nexport const b = 1\n",
      'src/base/index.ts': "export { a } from './a.ts'\n",
    },
  ],
  [
    'a cycle of types',
    ['no-cycles'],
    {
      'src/base/a.ts': "import type { B } from './b.ts'\nexport interface A { b: B }\n",
      'src/base/b.ts': "import { type A } from './a.ts'\nexport interface B { a: A }\n",
      'src/base/index.ts': "export type { A } from './a.ts'\n",
    },
  ],
  [
    'HTTP with all that its import loads',
    ['http-without-fetch'],
    { 'src/base/index.ts': "import { STATUS_CODES } from 'node:http'\nexport { STATUS_CODES }\n" },
  ],
  ['types of HTTP', [], { 'src/base/index.ts': "export type { Server } from 'node:http'\n" }],
  ['a file that nothing leads to', ['no-orphans'], { 'src/base/lost.ts': 'export const a = 1\n' }],
  [
    'a file that only its test leads to',
    ['no-orphans'],
    { 'src/base/a.ts': 'export const a = 1\n', 'src/base/a.test.ts': "import './a.ts'\n" },
  ],
  [
    'a test that ships',
    ['no-tests-in-production'],
    { 'src/base/a.test.ts': door, 'src/base/index.ts': "import './a.test.ts'\n" },
  ],
  ['a missing file', ['no-unresolvable'], { 'src/base/index.ts': "import './lost.ts'\n" }],
  [
    'a development package in production',
    ['no-dev-packages-in-production'],
    { 'src/base/index.ts': "import OpenAI from 'openai'\nexport const a = OpenAI\n" },
  ],
  [
    'a package that package.json does not name',
    ['no-undeclared-packages'],
    { 'src/base/index.ts': "import { v7 } from 'yaml'\nexport const a = v7\n" },
  ],
]

for (const [what, rules, files] of cases) {
  test(`rooms: ${what}`, async () => assert.deepEqual(await violations(files), rules))
}

test('rooms: every rule has a case that it bites on', () => {
  const names: string[] = require('../.dependency-cruiser.cjs').forbidden.map(
    (rule: { name: string }) => rule.name,
  )
  const bitten = new Set(cases.flatMap(([, rules]) => rules))
  const silent = names.filter((name) => !bitten.has(name) && !name.startsWith('room-'))
  assert.deepEqual(silent, [])
})

test('rooms: ARCHITECTURE.md has the same table', () => {
  const text = readFileSync(join(root, 'ARCHITECTURE.md'), 'utf8')
  for (const [room, allowed] of Object.entries(rooms)) {
    const row = new RegExp(`^\\| ${room} \\|[^|]*\\| ([^|]*) \\|$`, 'm').exec(text)
    assert(row, `ARCHITECTURE.md has no row for ${room}`)
    const beyond = allowed.filter((name) => name !== 'base' && name !== 'protocol')
    if (room === 'base') assert.match(row[1] ?? '', /^–/)
    else if (room === 'protocol') assert.equal(row[1], '`base` only')
    else if (room === 'cli') assert.equal(row[1], 'all')
    else assert.equal(row[1], beyond.join(', ') || '–')
  }
  const other = Object.keys(rooms).filter((room) => room !== 'cli')
  assert.deepEqual([...(rooms['cli'] ?? [])].sort(), other.sort())
})
