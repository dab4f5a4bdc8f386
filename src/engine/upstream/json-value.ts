/** Reading JSON that a stranger wrote: a field of the wrong type counts as absent. */
import type { JsonObject, JsonValue } from '../../protocol/index.ts'

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** A count; 0 where there is none. */
export function numberField(object: JsonObject, name: string): number {
  const value = object[name]
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : 0
}

export function stringField(object: JsonObject, name: string): string | null {
  const value = object[name]
  return typeof value === 'string' && value !== '' ? value : null
}

export function arrayField(object: JsonObject, name: string): readonly JsonValue[] {
  const value: unknown = object[name]
  return Array.isArray(value) ? value : []
}

export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
