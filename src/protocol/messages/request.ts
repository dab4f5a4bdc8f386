/**
 * The body of a call: a request as JSON, since half of it is JSON that clients wrote (messages,
 * tools, schemas).
 *
 * A node believes nothing of it because a gateway sent it: shape and bounds are checked again.
 */
import { isUtf8 } from 'node:buffer'
import { IsochroneError } from '../errors.ts'
import type { EmbeddingRequest, GenerationRequest } from '../generation.ts'
import { parseJson } from './json.ts'
import {
  embeddingRequestFields,
  type FieldValidators,
  generationRequestFields,
  optionalRequestFields,
  requestLimits,
} from './request-schema.ts'
import { malformed } from './verify-buffer.ts'

export function encodeGenerationRequest(request: GenerationRequest): Uint8Array {
  return encodeJson(request)
}

/** Throws `malformed_message`, `message_too_large`. Fields that are not known here are left out. */
export function decodeGenerationRequest(body: Uint8Array): GenerationRequest {
  return checkedFields(parseBody(body), generationRequestFields) as unknown as GenerationRequest
}

export function encodeEmbeddingRequest(request: EmbeddingRequest): Uint8Array {
  return encodeJson(request)
}

/** Throws `malformed_message`, `message_too_large`. Fields that are not known here are left out. */
export function decodeEmbeddingRequest(body: Uint8Array): EmbeddingRequest {
  return checkedFields(parseBody(body), embeddingRequestFields) as unknown as EmbeddingRequest
}

function encodeJson(request: GenerationRequest | EmbeddingRequest): Uint8Array {
  const body = Buffer.from(JSON.stringify(request))
  checkBodyBytes(body.length)
  return body
}

function parseBody(body: Uint8Array): unknown {
  checkBodyBytes(body.length)
  if (!isUtf8(body)) throw malformed('the request is not UTF-8')
  const text = Buffer.from(body.buffer, body.byteOffset, body.length).toString('utf8')
  return parseJson(text, 'the request')
}

function checkBodyBytes(length: number): void {
  if (length <= requestLimits.requestBytesMax) return
  throw new IsochroneError(
    'message_too_large',
    `a request of ${length} bytes is over the limit of ${requestLimits.requestBytesMax} bytes`,
    { detail: { bytes: length, bytesMax: requestLimits.requestBytesMax } },
  )
}

/** Field by field: so a wrong one can be named at no further cost. */
function checkedFields(value: unknown, fields: FieldValidators): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw malformed('the request is not a JSON object')
  }
  const checked: Record<string, unknown> = {}
  for (const [name, validator] of fields) {
    const field = Object.hasOwn(value, name) ? (value as Record<string, unknown>)[name] : undefined
    if (field === undefined && optionalRequestFields.has(name)) continue
    if (!validator.fits(field)) throw malformed(`the request’s "${name}" is not what it has to be`)
    checked[name] = field
  }
  return checked
}
