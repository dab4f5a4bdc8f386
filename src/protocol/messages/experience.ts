/** What a gateway has seen of nodes, as the bytes that it signs; its columns are one table. */
import { Encoding } from 'flatbuffers'
import type { Experience, ExperienceRow } from '../experience.ts'
import * as wire from '../generated/experience.js'
import * as layouts from '../generated/layouts.js'
import { publicKeyOf } from '../ids.ts'
import { checkLength, decodeMessage, nodeIdFrom, safeNumberOf, textsOf } from './decode.ts'
import { encodeMessage, textOffsets, uint53 } from './encode.ts'
import { readIds, writeIds } from './id-columns.ts'
import { messageLimits } from './limits.ts'
import { malformed } from './verify-buffer.ts'

export function encodeExperience({ gateway, issuedAtMs, rows }: Experience): Uint8Array {
  const { Experience: Table } = wire
  const models = [...new Set(rows.map(({ model }) => model))]
  const places = new Map(models.map((model, i) => [model, i]))
  return encodeMessage((to) => {
    const gatewayAt = to.createByteVector(publicKeyOf(gateway))
    const modelsAt = Table.createModelsVector(to, textOffsets(to, models))
    const nodesAt = writeIds(to, rows, ({ node }) => node)
    const placesAt = Table.createModelsOfVector(
      to,
      rows.map(({ model }) => places.get(model) ?? 0),
    )
    const rightAt = Table.createRightVector(
      to,
      rows.map(({ right }) => right),
    )
    const failedAt = Table.createFailedVector(
      to,
      rows.map(({ failed }) => failed),
    )
    Table.startExperience(to)
    Table.addIssuedAtMs(to, uint53(issuedAtMs, 'issuedAtMs'))
    Table.addGateway(to, gatewayAt)
    Table.addModels(to, modelsAt)
    Table.addNodes(to, nodesAt)
    Table.addModelsOf(to, placesAt)
    Table.addRight(to, rightAt)
    Table.addFailed(to, failedAt)
    return Table.endExperience(to)
  })
}

/** Throws `malformed_message`. The signature is `openExperience`'s to check. */
export function decodeExperience(bytes: Uint8Array): Experience {
  checkLength(bytes.length, 'experience', messageLimits.experienceBytesMax)
  return decodeMessage(bytes, layouts.Experience, (buffer) => {
    const table = wire.Experience.getRootAsExperience(buffer)
    const { experienceRowsMax: lengthMax, nameBytesMax: bytesMax } = messageLimits
    const models = textsOf(table.modelsLength(), (i) => table.models(i, Encoding.UTF8_BYTES), {
      name: 'experience.models',
      lengthMax,
      bytesMax,
    })
    const nodes = readIds(table.nodesArray(), { name: 'experience.nodes', lengthMax })
    const columns = [table.modelsOfLength(), table.rightLength(), table.failedLength()]
    if (columns.some((length) => length !== nodes.length)) {
      throw malformed('the columns of an experience differ in length')
    }
    return {
      gateway: nodeIdFrom(table.gatewayArray(), 'experience.gateway'),
      issuedAtMs: safeNumberOf(table.issuedAtMs(), 'experience.issued_at_ms'),
      rows: nodes.map((node, i): ExperienceRow => {
        const model = models[table.modelsOf(i) ?? -1]
        if (model === undefined) throw malformed('an experience is of a model that it lacks')
        return { node, model, right: countOf(table.right(i)), failed: countOf(table.failed(i)) }
      }),
    }
  })
}

function countOf(value: number | null): number {
  if (value === null || !(value >= 0 && value <= messageLimits.experienceCountMax)) {
    throw malformed('an experience has a count that none is')
  }
  return value
}
