/**
 * Checks a body against its schema, compiled once, and says in one sentence what is wrong and
 * where.
 */
import { Compile } from 'typebox/compile'
import type { Schema } from '../../base/index.ts'
import { IsochroneError } from '../../protocol/index.ts'
import { chatBody, completionBody, embeddingBody } from './schemas.ts'

/**
 * Explaining what is wrong costs far more than finding that something is. Longer lists are cut to
 * this length before; it is above every bound on a list, so that "too long" is still found.
 */
const explainedItemsMax = 5000
const explainedDepthMax = 4

export type Check = (value: unknown) => IsochroneError | undefined

interface Fault {
  readonly keyword: string
  readonly instancePath: string
  readonly params: object
  readonly message: string
}

export function compileCheck(schema: Schema): Check {
  const validator = Compile(schema)
  return (value) => {
    if (validator.Check(value)) return undefined
    return describe(validator.Errors(cut(value, 0)) as readonly Fault[])
  }
}

export const checkChatBody = compileCheck(chatBody)
export const checkCompletionBody = compileCheck(completionBody)
export const checkEmbeddingBody = compileCheck(embeddingBody)

/** An `invalid_request` that names the field in OpenAI's `param`. */
export function fieldError(param: string, message: string): IsochroneError {
  const where = param === '' ? 'the body' : `'${param}'`
  return new IsochroneError('invalid_request', `${where} ${message}`, { detail: { param } })
}

function cut(value: unknown, depth: number): unknown {
  if (typeof value !== 'object' || value === null || depth > explainedDepthMax) return value
  if (Array.isArray(value)) {
    return value.slice(0, explainedItemsMax).map((item) => cut(item, depth + 1))
  }
  const entries = Object.entries(value).slice(0, explainedItemsMax)
  return Object.fromEntries(entries.map(([key, item]) => [key, cut(item, depth + 1)]))
}

function describe(faults: readonly Fault[]): IsochroneError {
  const depth = Math.max(...faults.map((fault) => depthOf(fault)), 0)
  const deepest = faults.filter((fault) => depthOf(fault) === depth && fault.keyword !== 'anyOf')
  const first = deepest[0]
  if (first === undefined) return fieldError('', 'does not fit the schema of this address')
  const path = first.instancePath
  const here = deepest.filter((fault) => fault.instancePath === path)
  const bound = here.find((fault) => fault.keyword !== 'type' && fault.keyword !== 'boolean')
  if (bound !== undefined) return describeBound(bound, paramOf(path))
  if (first.keyword === 'boolean') return fieldError(paramOf(path), 'is not a known field')
  const types = new Set(here.map((fault) => String((fault.params as { type?: string }).type)))
  return fieldError(paramOf(path), `must be ${[...types].join(' or ')}`)
}

function describeBound(fault: Fault, param: string): IsochroneError {
  const params = fault.params as {
    requiredProperties?: readonly string[]
    additionalProperties?: readonly string[]
    allowedValues?: readonly unknown[]
    limit?: number
  }
  const missing = params.requiredProperties?.[0]
  if (missing !== undefined) return fieldError(join(param, missing), 'is missing')
  const unknown = params.additionalProperties?.[0]
  if (unknown !== undefined) return fieldError(join(param, shown(unknown)), 'is not a known field')
  if (params.allowedValues !== undefined) {
    return fieldError(param, `must be one of ${params.allowedValues.join(', ')}`)
  }
  if (fault.keyword === 'maxItems') return fieldError(param, `has over ${params.limit} items`)
  if (fault.keyword === 'minItems') return fieldError(param, 'is empty')
  if (fault.keyword === 'maxLength') {
    return fieldError(param, `is longer than ${params.limit} characters`)
  }
  return fieldError(param, fault.message)
}

function depthOf(fault: Fault): number {
  return fault.instancePath.split('/').length
}

function join(param: string, key: string): string {
  return param === '' ? key : `${param}.${key}`
}

/** Field names come from the client: only a readable start of one goes into an answer. */
function shown(key: string): string {
  return key.replace(/[^\x20-\x7e]/g, '?').slice(0, 64)
}

/** `/messages/0/role` → `messages[0].role` */
function paramOf(instancePath: string): string {
  const parts = instancePath.split('/').slice(1)
  const named = parts.map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'))
  return named.reduce(
    (path, part) => (/^[0-9]+$/.test(part) ? `${path}[${part}]` : join(path, shown(part))),
    '',
  )
}
