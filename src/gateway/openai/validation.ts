/**
 * Checks a body against its schema, and says in one sentence what is wrong and where.
 */
import { type Fault, faultPhrase, type Schema, Validator } from '../../base/index.ts'
import { IsochroneError } from '../../protocol/index.ts'
import { chatBody, completionBody, embeddingBody } from './schemas.ts'

export type Check = (value: unknown) => IsochroneError | undefined

export const checkChatBody = checkOf(chatBody)
export const checkCompletionBody = checkOf(completionBody)
export const checkEmbeddingBody = checkOf(embeddingBody)

export function checkOf(schema: Schema): Check {
  const validator = new Validator(schema)
  return (value) => (validator.fits(value) ? undefined : describe(validator.faults(value)))
}

/** An `invalid_request` that names the field in OpenAI's `param`. */
export function fieldError(param: string, message: string): IsochroneError {
  const where = param === '' ? 'the body' : `'${param}'`
  return new IsochroneError('invalid_request', `${where} ${message}`, { detail: { param } })
}

/** Of several forms that a value may have, the nearest one tells what is wrong. */
function describe(faults: readonly Fault[]): IsochroneError {
  const depth = Math.max(...faults.map(({ path }) => path.length), 0)
  const here = faults.filter(({ path }) => path.length === depth)
  const first = here[0]
  if (first === undefined) return fieldError('', 'does not fit the schema of this address')
  const param = paramOf(first.path)
  const bound = here.find(({ keyword }) => keyword !== 'type')
  if (bound !== undefined) return describeBound(bound, param)
  const types = new Set(here.map(({ wanted }) => String(wanted)))
  return fieldError(param, `must be ${[...types].join(' or ')}`)
}

function describeBound(fault: Fault, param: string): IsochroneError {
  const { keyword, wanted } = fault
  const names = Array.isArray(wanted) ? wanted.map(String) : []
  switch (keyword) {
    case 'required':
      return fieldError(join(param, names[0] ?? ''), 'is missing')
    case 'additionalProperties':
      return fieldError(join(param, shown(names[0] ?? '')), 'is not a known field')
    case 'enum':
      return fieldError(param, `must be one of ${names.join(', ')}`)
    case 'maxItems':
      return fieldError(param, `has over ${wanted} items`)
    case 'minItems':
      return fieldError(param, 'is empty')
    case 'maxLength':
      return fieldError(param, `is longer than ${wanted} characters`)
    default:
      return fieldError(param, faultPhrase(fault))
  }
}

function join(param: string, key: string): string {
  return param === '' ? key : `${param}.${key}`
}

/** Field names come from the client: only a readable start of one goes into an answer. */
function shown(key: string): string {
  return key.replace(/[^\x20-\x7e]/g, '?').slice(0, 64)
}

/** `messages[0].role` */
function paramOf(path: Fault['path']): string {
  return path.reduce<string>(
    (param, part) => (typeof part === 'number' ? `${param}[${part}]` : join(param, shown(part))),
    '',
  )
}
