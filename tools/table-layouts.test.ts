import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import * as generated from '../src/protocol/generated/layouts.js'
import type { TableLayout } from '../src/protocol/messages/table-layout.ts'
import { layoutsOf } from './table-layouts.ts'

const root = join(import.meta.dirname, '..')
const read = (path: string) => readFileSync(join(root, path), 'utf8')

test('tables, enums, vectors and references are understood', () => {
  const schema = `
    // table Comment { a:int; }
    enum Kind : ushort { none = 0 }
    table Outer { kind:Kind; inner:Inner; many:[Inner]; names:[string]; name:string; raw:[ubyte]; }
    table Inner { size:ulong; } // declared after its use
  `
  assert.deepEqual(layoutsOf([schema]), [
    { name: 'Inner', fields: [{ name: 'size', kind: 'scalar', bytes: 8 }] },
    {
      name: 'Outer',
      fields: [
        { name: 'kind', kind: 'scalar', bytes: 2 },
        { name: 'inner', kind: 'table', bytes: 0, table: 'Inner' },
        { name: 'many', kind: 'tables', bytes: 0, table: 'Inner' },
        { name: 'names', kind: 'strings', bytes: 0 },
        { name: 'name', kind: 'string', bytes: 0 },
        { name: 'raw', kind: 'scalars', bytes: 1 },
      ],
    },
  ])
})

test('what is not understood is refused, never left out', () => {
  assert.throws(() => layoutsOf(['struct Point { x:int; }']), /struct/)
  assert.throws(() => layoutsOf(['union Any { A, B }']), /union/)
  assert.throws(() => layoutsOf(['table A { x:int = 5; }']), /more than/)
  assert.throws(() => layoutsOf(['table A { x:Unknown; }']), /not declared/)
})

test('the committed layouts are those of the schemas', () => {
  const schemas = globSync('schemas/*.fbs', { cwd: root }).sort()
  const expected = layoutsOf(schemas.map(read))
  const committed = Object.values<TableLayout>(generated).map(({ name, fields }) => ({
    name,
    fields: fields.map(({ table, ...field }) =>
      table === undefined ? field : { ...field, table: table.name },
    ),
  }))
  const byName = (a: { name: string }, b: { name: string }) => a.name.localeCompare(b.name)
  assert.deepEqual(committed.toSorted(byName), expected.toSorted(byName))
})

test('the committed accessors know every field of the schemas, at its place', () => {
  const accessors = globSync('src/protocol/generated/*.js', { cwd: root }).map(read).join('\n')
  const schemas = globSync('schemas/*.fbs', { cwd: root }).sort()
  for (const { name, fields } of layoutsOf(schemas.map(read))) {
    assert.match(accessors, new RegExp(`builder\\.startObject\\(${fields.length}\\)`))
    const from = accessors.indexOf(`export class ${name} {`)
    const body = accessors.slice(from, accessors.indexOf('\nexport class', from + 1))
    assert.notEqual(from, -1, `${name} is missing; run npm run generate`)
    fields.forEach((field, i) => {
      const camelCase = field.name.replaceAll(/_(\w)/g, (_, letter) => letter.toUpperCase())
      const accessor = new RegExp(`\\b${camelCase}\\([^)]*\\) \\{\\s+const offset = .*, (\\d+)\\)`)
      assert.equal(accessor.exec(body)?.[1], String(4 + 2 * i), `${name}.${field.name}`)
    })
  }
})
