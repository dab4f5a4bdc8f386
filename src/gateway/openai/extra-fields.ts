/**
 * Joins the further fields of successive deltas (`tool_calls`, `reasoning_content` …) into one
 * message's.
 */
import type { JsonObject, JsonValue } from '../../protocol/index.ts'

export function mergeExtra(whole: JsonObject, more: JsonObject): JsonObject {
  const merged: Record<string, JsonValue> = { ...whole }
  for (const [key, value] of Object.entries(more)) {
    if (key === '__proto__') continue
    merged[key] = mergeValue(merged[key], value)
  }
  return merged
}

/**
 * Strings grow, lists of indexed parts join by index, objects join by field; else the newer value
 * counts.
 */
function mergeValue(old: JsonValue | undefined, value: JsonValue): JsonValue {
  if (old === undefined || old === null) return Array.isArray(value) ? mergeParts([], value) : value
  if (typeof old === 'string' && typeof value === 'string') return old + value
  if (Array.isArray(old) && Array.isArray(value)) return mergeParts(old, value)
  if (isObject(old) && isObject(value)) return mergePart(old, value)
  return value
}

/** `index` says which part a delta belongs to; it is not part of the whole message. */
function mergeParts(old: readonly JsonValue[], more: readonly JsonValue[]): JsonValue[] {
  const parts = [...old]
  for (const part of more) {
    const index = isObject(part) ? part['index'] : undefined
    if (!isObject(part) || typeof index !== 'number' || index < 0 || index > parts.length) {
      parts.push(part)
      continue
    }
    const { index: _, ...fields } = part
    const before = parts[index]
    parts[index] = isObject(before) ? mergePart(before, fields) : fields
  }
  return parts
}

function mergePart(old: JsonObject, more: JsonObject): JsonObject {
  const merged: Record<string, JsonValue> = { ...old }
  for (const [key, value] of Object.entries(more)) {
    if (key === '__proto__') continue
    const before = merged[key]
    // Ids, types and names come whole, and some servers repeat them; only text that grows is
    // joined.
    const grows = key === 'function' || key === 'arguments'
    merged[key] = grows ? mergeValue(before, value) : value
  }
  return merged
}

function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
