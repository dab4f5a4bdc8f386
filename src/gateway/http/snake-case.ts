/**
 * Our own objects as the interface shows them: `roundTripMs` is `round_trip_ms`, as OpenAI writes
 * names.
 */
import type { Schema } from '../../base/index.ts'

export function snakeName(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
}

/** What JSON shows of a value, with its names so written. */
export function snakeCased(value: object): object {
  return renamed(JSON.parse(JSON.stringify(value))) as object
}

function renamed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(renamed)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([name, of]) => [snakeName(name), renamed(of)]),
  )
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
