/**
 * `manifest.json`: written once by an import, checked whenever it is read.
 *
 * The digest covers all but the name: the same weights under two names are one model.
 */
import { createHash } from 'node:crypto'
import Type, { type Static } from 'typebox'
import { Compile } from 'typebox/compile'
import { type ModelDigest, modelDigestOf } from '../protocol/index.ts'
import { canonicalJson } from './canonical-json.ts'
import type { ModelManifest } from './manifest.ts'
import { corrupt } from './model-fault.ts'

export const manifestFile = 'manifest.json'

const whole = (maximum: number) => Type.Integer({ minimum: 0, maximum })
const indices = Type.Array(whole(1023), { maxItems: 1024 })
const number = Type.Number()
const closed = { additionalProperties: false }

const architecture = Type.Object(
  {
    family: Type.Union([
      Type.Literal('llama'),
      Type.Literal('mistral'),
      Type.Literal('qwen2'),
      Type.Literal('qwen3'),
      Type.Literal('smollm3'),
    ]),
    layers: Type.Integer({ minimum: 1, maximum: 1024 }),
    width: Type.Integer({ minimum: 1, maximum: 65_536 }),
    feedForwardWidth: Type.Integer({ minimum: 1, maximum: 524_288 }),
    queryHeads: Type.Integer({ minimum: 1, maximum: 1024 }),
    keyValueHeads: Type.Integer({ minimum: 1, maximum: 1024 }),
    headSize: Type.Integer({ minimum: 16, maximum: 512, multipleOf: 16 }),
    vocabularySize: Type.Integer({ minimum: 1, maximum: 2_097_152 }),
    contextTokensMax: Type.Integer({ minimum: 1, maximum: 16_777_216 }),
    normEpsilon: number,
    ropeTheta: number,
    ropeScaling: Type.Object(
      {
        type: Type.Union([
          Type.Literal('default'),
          Type.Literal('linear'),
          Type.Literal('dynamic'),
          Type.Literal('llama3'),
          Type.Literal('yarn'),
        ]),
        factor: number,
        lowFrequencyFactor: Type.Optional(number),
        highFrequencyFactor: Type.Optional(number),
        originalContextTokens: Type.Optional(whole(16_777_216)),
        betaFast: Type.Optional(number),
        betaSlow: Type.Optional(number),
        attentionFactor: Type.Optional(number),
      },
      closed,
    ),
    tiedHead: Type.Boolean(),
    attentionBias: Type.Boolean(),
    outputBias: Type.Boolean(),
    feedForwardBias: Type.Boolean(),
    queryKeyNorm: Type.Boolean(),
    slidingWindow: Type.Union([Type.Integer({ minimum: 1 }), Type.Null()]),
    layersWithoutWindow: indices,
    layersWithoutRope: indices,
  },
  closed,
)

const schema = Type.Object(
  {
    format: Type.Literal(1),
    name: Type.String({ maxLength: 96 }),
    digest: Type.String({ pattern: '^sha256:[0-9a-f]{64}$' }),
    architecture,
    quantisation: Type.Union([
      Type.Literal('float32'),
      Type.Literal('float16'),
      Type.Literal('int4'),
    ]),
    parameters: whole(Number.MAX_SAFE_INTEGER),
    beginTokenId: Type.Union([whole(2_097_152), Type.Null()]),
    endTokenIds: Type.Array(whole(2_097_152), { maxItems: 64 }),
    hasChatTemplate: Type.Boolean(),
    files: Type.Array(
      Type.Object(
        {
          path: Type.String({ pattern: '^[A-Za-z0-9][A-Za-z0-9._-]{0,95}$' }),
          bytes: whole(Number.MAX_SAFE_INTEGER),
          sha256: Type.String({ pattern: '^[0-9a-f]{64}$' }),
        },
        closed,
      ),
      { maxItems: 64 },
    ),
  },
  closed,
)

const validator = Compile(schema)

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
  if (!validator.Check(value)) {
    const [first] = validator.Errors(value)
    throw corrupt({ file, field: first?.instancePath ?? '' }, first?.message ?? 'it is malformed')
  }
  const manifest = value as Static<typeof schema> as unknown as ModelManifest
  if (manifest.name !== folder) throw corrupt({ file, field: 'name' }, `it should be ${folder}`)
  if (manifestDigest(manifest) !== manifest.digest) {
    throw corrupt({ file, field: 'digest' }, 'it does not fit the rest: the file was changed')
  }
  return manifest
}
