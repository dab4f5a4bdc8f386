/** The shapes of decisions as the interface shows them. */
import { json, type Schema } from '../../base/index.ts'
import { decisionSchema } from '../../routing/index.ts'
import { snakeCasedSchema } from './snake-case.ts'

const text = json.string()
const count = json.integer({ minimum: 0 })

const seal = json.nullable(
  json.object(
    {
      gateway: json.string({ description: 'Whose key signed: an Ed25519 public key, in base32.' }),
      signature: json.string({ description: 'Base64.' }),
      index: count,
      treeSize: count,
      siblings: json.string({
        description: 'Base64: 32 bytes each, from the leaf’s neighbour up.',
      }),
    },
    {
      description:
        'A signature over "isochrone.v1.decisions", a byte 0, the size of a tree (4 bytes, the ' +
        'highest first) and its root. The tree is that of RFC 6962 over SHA-256; the record, as ' +
        'UTF-8, is the leaf of this index. null: not signed yet.',
    },
  ),
)

const { properties } = decisionSchema
const { id: _, ...previewed } = properties
const leftOut = {
  rejectionsLeftOut: json.integer({ description: 'Beyond the first few of each gate.' }),
}

export const decisionAnswer = snakeCasedSchema(
  json.object({ ...properties, ...leftOut, seal }),
  'A routing decision; text with ?format=text.',
)

export const decisionList = json.object({
  object: json.literal('list'),
  data: json.array(snakeCasedSchema(json.object({ ...properties, ...leftOut }), 'A decision.')),
})

export const decisionOrRecord: Schema = Object.assign(
  json.union([
    decisionAnswer,
    snakeCasedSchema(
      json.object({
        record: json.string({ description: 'The very text that was signed: JSON.' }),
        seal,
        gateway: json.string({ description: 'Who signs here now: the seal’s, as a rule.' }),
        views: json.optional(
          json.array(json.object({ frame: text, bytes: json.string({ description: 'Base64.' }) })),
        ),
      }),
      'With ?format=record, or with ?format=replay and what the decision saw of all nodes.',
    ),
  ]),
  { description: 'A routing decision; text with ?format=text.' },
)

export const previewAnswer = snakeCasedSchema(
  json.object({ object: json.literal('route.preview'), ...previewed, ...leftOut }),
  'The decision that a request would get now; text with ?format=text.',
)
