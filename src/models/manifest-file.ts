/**
 * `manifest.json`: written once by an import, checked whenever it is read.
 *
 * The digest covers all but the name: the same weights under two names are one model.
 */
import { createHash } from 'node:crypto'
import { faultPhrase, json, pointerOf, Validator } from '../base/index.ts'
import { type ModelDigest, modelDigestOf } from '../protocol/index.ts'
import { canonicalJson } from './canonical-json.ts'
import type { ModelManifest } from './manifest.ts'
import { corrupt } from './model-fault.ts'

export const manifestFile = 'manifest.json'

const whole = (maximum: number) => json.integer({ minimum: 0, maximum })
const indices = json.array(whole(1023), { maxItems: 1024 })
const number = json.number()
const closed = { additionalProperties: false }

const architecture = json.object(
  {
    family: json.enum(['llama', 'mistral', 'qwen2', 'qwen3', 'smollm3']),
    layers: json.integer({ minimum: 1, maximum: 1024 }),
    width: json.integer({ minimum: 1, maximum: 65_536 }),
    feedForwardWidth: json.integer({ minimum: 1, maximum: 524_288 }),
    queryHeads: json.integer({ minimum: 1, maximum: 1024 }),
    keyValueHeads: json.integer({ minimum: 1, maximum: 1024 }),
    headSize: json.integer({ minimum: 16, maximum: 512, multipleOf: 16 }),
    vocabularySize: json.integer({ minimum: 1, maximum: 2_097_152 }),
    contextTokensMax: json.integer({ minimum: 1, maximum: 16_777_216 }),
    normEpsilon: number,
    ropeTheta: number,
    ropeScaling: json.object(
      {
        type: json.enum(['default', 'linear', 'dynamic', 'llama3', 'yarn']),
        factor: number,
        lowFrequencyFactor: json.optional(number),
        highFrequencyFactor: json.optional(number),
        originalContextTokens: json.optional(whole(16_777_216)),
        betaFast: json.optional(number),
        betaSlow: json.optional(number),
        attentionFactor: json.optional(number),
      },
      closed,
    ),
    tiedHead: json.boolean(),
    attentionBias: json.boolean(),
    outputBias: json.boolean(),
    feedForwardBias: json.boolean(),
    queryKeyNorm: json.boolean(),
    slidingWindow: json.nullable(json.integer({ minimum: 1 })),
    layersWithoutWindow: indices,
    layersWithoutRope: indices,
  },
  closed,
)

const schema = json.object(
  {
    format: json.literal(1),
    name: json.string({ maxLength: 96 }),
    digest: json.string({ pattern: '^sha256:[0-9a-f]{64}$' }),
    architecture,
    quantisation: json.enum(['float32', 'float16', 'int4']),
    parameters: whole(Number.MAX_SAFE_INTEGER),
    beginTokenId: json.nullable(whole(2_097_152)),
    endTokenIds: json.array(whole(2_097_152), { maxItems: 64 }),
    hasChatTemplate: json.boolean(),
    files: json.array(
      json.object(
        {
          path: json.string({ pattern: '^[A-Za-z0-9][A-Za-z0-9._-]{0,95}$' }),
          bytes: whole(Number.MAX_SAFE_INTEGER),
          sha256: json.string({ pattern: '^[0-9a-f]{64}$' }),
        },
        closed,
      ),
      { maxItems: 64 },
    ),
  },
  closed,
)

const validator = new Validator(schema)

export function manifestDigest(manifest: Omit<ModelManifest, 'digest'>): ModelDigest {
  const { name, ...identity } = { ...manifest, digest: undefined }
  return modelDigestOf(createHash('sha256').update(canonicalJson(identity)).digest('hex'))
}

/**
 * @param folder the name of the model's folder, which must be the manifest's
 * @throws IsochroneError `model_corrupt`
 */
export function checkManifest(text: string, folder: string): ModelManifest {
  const file = manifestFile
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw corrupt({ file }, 'it is not valid JSON', error)
  }
  if (!validator.fits(value)) {
    const [first] = validator.faults(value)
    if (first === undefined) throw corrupt({ file }, 'it is malformed')
    throw corrupt({ file, field: pointerOf(first.path) }, faultPhrase(first))
  }
  const manifest = value as unknown as ModelManifest
  if (manifest.name !== folder) throw corrupt({ file, field: 'name' }, `it should be ${folder}`)
  if (manifestDigest(manifest) !== manifest.digest) {
    throw corrupt({ file, field: 'digest' }, 'it does not fit the rest: the file was changed')
  }
  return manifest
}
