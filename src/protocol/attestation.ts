/**
 * What a node attests when it is asked to: what it runs now, and what its check of itself found.
 *
 * It proves that the holder of the node's key said so after it was asked, once. It does not prove
 * that it is so: nothing here looks into the machine.
 */

import { isUtf8 } from 'node:buffer'
import { createHash } from 'node:crypto'
import { json, Validator } from '../base/index.ts'
import { isModelDigest, type ModelDigest } from './ids.ts'
import { parseJson } from './messages/json.ts'
import { messageLimits } from './messages/limits.ts'
import { malformed } from './messages/verify-buffer.ts'

const { attestationBytesMax, attestedModelsMax, nameBytesMax } = messageLimits

/** Of which models it is to speak: those that it will be examined in. */
export interface AttestationAsk {
  readonly models: readonly string[]
}

export interface AttestedModel {
  readonly name: string
  readonly digest: ModelDigest | null
  readonly runtime: string
  readonly quantisation: string
}

export interface Attestation {
  readonly softwareVersion: string
  /** Products of integer matrices, multiplied for this: whether they were exact. */
  readonly selfCheck: { readonly integerExact: boolean; readonly atMs: number }
  /** Those that were asked about and that it serves. */
  readonly models: readonly AttestedModel[]
}

export function encodeAttestationAsk({ models }: AttestationAsk): Uint8Array {
  return Buffer.from(JSON.stringify({ models }))
}

/** @throws IsochroneError `malformed_message` */
export function decodeAttestationAsk(bytes: Uint8Array): AttestationAsk {
  const value = parsed(bytes, 'what is to be attested')
  if (!askValidator.fits(value)) throw malformed('what is to be attested is not named')
  return { models: value.models }
}

export function encodeAttestation(attestation: Attestation): Uint8Array {
  return Buffer.from(JSON.stringify(attestation))
}

/** @throws IsochroneError `malformed_message`. What is not known here is left out. */
export function decodeAttestation(bytes: Uint8Array): Attestation {
  const value = parsed(bytes, 'the attestation')
  if (!validator.fits(value)) throw malformed('the attestation is not what it has to be')
  const { selfCheck, softwareVersion } = value
  const models = value.models.map(({ digest, name, quantisation, runtime }) => {
    if (digest !== null && !isModelDigest(digest)) throw malformed('a model has no such digest')
    return { name, digest, runtime, quantisation }
  })
  const { atMs, integerExact } = selfCheck
  return { softwareVersion, selfCheck: { integerExact, atMs }, models }
}

/** What its result's envelope signs as the output: `resultHash`. 32 bytes. */
export function attestationHash(bytes: Uint8Array): Uint8Array {
  const hash = createHash('sha256').update('isochrone.v1.attestation\0').update(bytes)
  return new Uint8Array(hash.digest())
}

function parsed(bytes: Uint8Array, name: string): unknown {
  if (bytes.length > attestationBytesMax || !isUtf8(bytes)) throw malformed(`${name} is no text`)
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8')
  return parseJson(text, name)
}

const text = json.string({ maxLength: nameBytesMax })

const askValidator = new Validator(
  json.object({ models: json.array(text, { maxItems: attestedModelsMax }) }),
)

const validator = new Validator(
  json.object(
    {
      softwareVersion: text,
      selfCheck: json.object(
        {
          integerExact: json.boolean(),
          atMs: json.integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER }),
        },
        { additionalProperties: true },
      ),
      models: json.array(
        json.object(
          { name: text, digest: json.nullable(text), runtime: text, quantisation: text },
          { additionalProperties: true },
        ),
        { maxItems: attestedModelsMax },
      ),
    },
    { additionalProperties: true },
  ),
)
