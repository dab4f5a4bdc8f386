/**
 * JSON inside messages: parsed, and not nested so deeply that whoever walks it runs out of stack.
 */
import type { JsonObject } from '../generation.ts'
import { malformed } from './verify-buffer.ts'

/** The deepest JSON schemas of real tools stay below 20. */
export const jsonDepthMax = 64

export function parseJson(text: string, name: string): unknown {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw malformed(`${name} is not JSON`, error)
  }
  if (!isShallow(value)) {
    throw malformed(`${name} is nested over ${jsonDepthMax} deep`)
  }
  return value
}

export function parseJsonObject(text: string, name: string): JsonObject {
  const value = parseJson(text, name)
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw malformed(`${name} is not an object`)
  }
  return value as JsonObject
}

/** Whether nothing in it is nested over `depthLeft` deep. */
export function isShallow(value: unknown, depthLeft = jsonDepthMax): boolean {
  if (typeof value !== 'object' || value === null) return true
  if (depthLeft === 0) return false
  if (Array.isArray(value)) {
    for (const item of value) if (!isShallow(item, depthLeft - 1)) return false
    return true
  }
  for (const key in value) {
    if (!isShallow((value as Record<string, unknown>)[key], depthLeft - 1)) return false
  }
  return true
}
