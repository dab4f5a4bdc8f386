/**
 * Reads of FlatBuffers schemas what a verifier has to know: the tables, and of each field whether
 * it lies in its table or is pointed at. Pure. Understands what this project's schemas use, and
 * says so otherwise.
 */
export interface FieldDefinition {
  readonly name: string
  readonly kind: 'scalar' | 'string' | 'scalars' | 'strings' | 'table' | 'tables'
  /** Of the scalar or of one element; 0 where there is none. */
  readonly bytes: number
  readonly table?: string
}

export interface TableDefinition {
  readonly name: string
  readonly fields: readonly FieldDefinition[]
}

const scalarBytes: Readonly<Record<string, number>> = {
  bool: 1,
  byte: 1,
  ubyte: 1,
  short: 2,
  ushort: 2,
  int: 4,
  uint: 4,
  float: 4,
  long: 8,
  ulong: 8,
  double: 8,
}

/** In the order of declaration; a table stands after those that it holds. */
export function layoutsOf(schemas: readonly string[]): readonly TableDefinition[] {
  const text = schemas.join('\n').replaceAll(/\/\/.*$/gm, '')
  const scalars = new Map(Object.entries(scalarBytes))
  for (const [, name = '', base = ''] of text.matchAll(/\benum\s+(\w+)\s*:\s*(\w+)/g)) {
    scalars.set(name, scalarBytes[base] ?? 0)
  }
  const unknown = /^\s*(struct|union|rpc_service)\b/m.exec(text)
  if (unknown !== null) throw new Error(`layouts of a ${unknown[1]} are not implemented`)
  const blocks = new Map<string, string>()
  for (const [, name = '', body = ''] of text.matchAll(/\btable\s+(\w+)\s*\{([^}]*)\}/g)) {
    blocks.set(name, body)
  }
  const tables: TableDefinition[] = []
  const done = new Set<string>()
  const visit = (name: string): void => {
    if (done.has(name)) return
    done.add(name)
    const fields = fieldsOf(blocks.get(name) ?? '', { scalars, tables: blocks })
    for (const field of fields) if (field.table !== undefined) visit(field.table)
    tables.push({ name, fields })
  }
  for (const name of blocks.keys()) visit(name)
  return tables
}

interface Names {
  readonly scalars: ReadonlyMap<string, number>
  readonly tables: ReadonlyMap<string, string>
}

function fieldsOf(body: string, names: Names): readonly FieldDefinition[] {
  const declarations = body.split(';').map((part) => part.trim())
  return declarations.filter((part) => part !== '').map((part) => fieldOf(part, names))
}

function fieldOf(declaration: string, { scalars, tables }: Names): FieldDefinition {
  const match = /^(\w+)\s*:\s*(\[?)(\w+)\]?$/.exec(declaration)
  if (match === null) throw new Error(`“${declaration}” is more than a name and a type`)
  const [, name = '', bracket, type = ''] = match
  const isVector = bracket === '['
  const bytes = scalars.get(type)
  if (bytes !== undefined) return { name, kind: isVector ? 'scalars' : 'scalar', bytes }
  if (type === 'string') return { name, kind: isVector ? 'strings' : 'string', bytes: 0 }
  if (!tables.has(type)) throw new Error(`“${type}” in “${declaration}” is not declared`)
  return { name, kind: isVector ? 'tables' : 'table', bytes: 0, table: type }
}
