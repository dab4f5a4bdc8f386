/**
 * Our own objects as the interface shows them: `roundTripMs` is `round_trip_ms`, as OpenAI writes
 * names.
 */
import type { Schema } from '../../base/index.ts'

export function snakeName(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
}

/** What JSON shows of a value, with its names so written; one like `__proto__` is left out. */
export function snakeCased(value: object): object {
  return renamed(JSON.parse(JSON.stringify(value))) as object
}

/**
 * In place of a list of pairs for each object, and of a search in each name: ten thousand members
 * of a mesh would hold all requests up for a third of a second.
 */
function renamed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(renamed)
  if (typeof value !== 'object' || value === null) return value
  const shown: Record<string, unknown> = {}
  const from = value as Readonly<Record<string, unknown>>
  for (const name in from) if (name !== '__proto__') shown[knownName(name)] = renamed(from[name])
  return shown
}

/** Our objects have some hundred names; evidence may have others. */
const namesMax = 1_000
const names = new Map<string, string>()

function knownName(name: string): string {
  const known = names.get(name)
  if (known !== undefined) return known
  const made = snakeName(name)
  if (names.size < namesMax) names.set(name, made)
  return made
}

/** The schema of what `snakeCased` makes of the values that fit a schema. */
export function snakeCasedSchema(schema: Schema, description: string): Schema {
  return Object.assign({}, renamedSchema(schema), { description }) as Schema
}

function renamedSchema(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(renamedSchema)
  if (typeof schema !== 'object' || schema === null) return schema
  const parts = Object.entries(schema).map(([word, of]) => {
    if (word === 'required' && Array.isArray(of)) return [word, of.map(String).map(snakeName)]
    // Names under `properties` are the values' own; other words are JSON Schema's.
    if (word === 'properties') {
      const members = Object.entries(of as object)
      return [word, Object.fromEntries(members.map(([n, s]) => [snakeName(n), renamedSchema(s)]))]
    }
    return [word, renamedSchema(of)]
  })
  return Object.fromEntries(parts)
}
