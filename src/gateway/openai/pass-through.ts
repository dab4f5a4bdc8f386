/**
 * Fields of OpenAI's interface, or of a server's dialect of it, that this project does not
 * interpret. They travel with the request, for engines that front another server; bounded, and
 * never merged blindly.
 */
import type { JsonObject, JsonValue } from '../../protocol/index.ts'
import { fieldError } from './validation.ts'

export const freeFormLimits = {
  fieldsMax: 32,
  /** Deeper JSON could exhaust the stack of whoever serialises it. */
  depthMax: 32,
  /** All values of one field together: a tool's schema has hundreds, not a million. */
  valuesMax: 20_000,
} as const

export function passThroughOf(body: object, known: ReadonlySet<string>): JsonObject {
  const passed: Record<string, JsonValue> = {}
  let count = 0
  for (const [key, value] of Object.entries(body)) {
    if (known.has(key)) continue
    if (key === '__proto__') throw fieldError(key, 'is not a known field')
    count += 1
    if (count > freeFormLimits.fieldsMax) {
      throw fieldError('', `has over ${freeFormLimits.fieldsMax} fields that are not known here`)
    }
    passed[key] = boundedValue(value, key.slice(0, 64))
  }
  return passed
}

/** The value itself, once it is known to be of a size and depth that can be handled safely. */
export function boundedValue(value: unknown, param: string): JsonValue {
  let values = 0
  let level: readonly unknown[] = [value]
  for (let depth = 0; level.length > 0; depth += 1) {
    if (depth > freeFormLimits.depthMax) throw fieldError(param, 'is nested too deeply')
    const next: unknown[] = []
    for (const item of level) {
      if (typeof item !== 'object' || item === null) continue
      for (const inner of Object.values(item)) next.push(inner)
      if (values + next.length > freeFormLimits.valuesMax) {
        throw fieldError(param, `holds over ${freeFormLimits.valuesMax} values`)
      }
    }
    values += next.length
    level = next
  }
  return value as JsonValue
}

/** A list of free objects, each bounded. */
export function boundedObjects(
  list: readonly object[] | null | undefined,
  param: string,
): readonly JsonObject[] {
  if (list === null || list === undefined) return []
  boundedValue(list, param)
  return list as readonly JsonObject[]
}
