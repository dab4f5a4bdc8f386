/** A node's record as the bytes that its signature is over. */
import { type Builder, Encoding, type Offset } from 'flatbuffers'
import * as wire from '../generated/identity.js'
import * as layouts from '../generated/layouts.js'
import { publicKeyOf } from '../ids.ts'
import {
  type HardwareReport,
  type ModelFeature,
  modelFeatures,
  type NodeRecord,
  type OfferedModel,
} from '../node-record.ts'
import {
  checkLength,
  decodeMessage,
  modelDigestFrom,
  nodeIdFrom,
  quantityOf,
  safeNumberOf,
  textOf,
  textsOf,
} from './decode.ts'
import { encodeMessage, textOffset, textOffsets, uint32, uint53 } from './encode.ts'
import { messageLimits } from './limits.ts'
import { digestOffset } from './signed-envelope.ts'
import { malformed } from './verify-buffer.ts'

const { UTF8_BYTES } = Encoding

export function encodeNodeRecord(record: NodeRecord): Uint8Array {
  return encodeMessage((to) => {
    const id = to.createByteVector(publicKeyOf(record.id))
    const network = textOffset(to, record.network)
    const version = textOffset(to, record.softwareVersion)
    const region = textOffset(to, record.region)
    const cell = textOffset(to, record.cell)
    const addresses = wire.NodeRecord.createAddressesVector(to, textOffsets(to, record.addresses))
    const hardware = writeHardware(to, record.hardware)
    const offered = record.models.map((model) => writeModel(to, model))
    const models = wire.NodeRecord.createModelsVector(to, offered)
    wire.NodeRecord.startNodeRecord(to)
    wire.NodeRecord.addId(to, id)
    wire.NodeRecord.addNetwork(to, network)
    wire.NodeRecord.addSequence(to, uint53(record.sequence, 'sequence'))
    wire.NodeRecord.addIssuedAtMs(to, uint53(record.issuedAtMs, 'issuedAtMs'))
    wire.NodeRecord.addExpiresAtMs(to, uint53(record.expiresAtMs, 'expiresAtMs'))
    wire.NodeRecord.addSoftwareVersion(to, version)
    wire.NodeRecord.addRegion(to, region)
    wire.NodeRecord.addAddresses(to, addresses)
    wire.NodeRecord.addHardware(to, hardware)
    wire.NodeRecord.addModels(to, models)
    wire.NodeRecord.addCell(to, cell)
    return wire.NodeRecord.endNodeRecord(to)
  })
}

/** Throws `malformed_message`. The signature is `verifyNodeRecord`'s to check. */
export function decodeNodeRecord(bytes: Uint8Array): NodeRecord {
  if (bytes.length > messageLimits.recordBytesMax) {
    throw malformed(`a node record of ${bytes.length} bytes, over ${messageLimits.recordBytesMax}`)
  }
  return decodeMessage(bytes, layouts.NodeRecord, (buffer) =>
    readNodeRecord(wire.NodeRecord.getRootAsNodeRecord(buffer)),
  )
}

function readNodeRecord(table: wire.NodeRecord): NodeRecord {
  const { addressesMax, cellBytesMax, modelsMax, nameBytesMax, networkBytesMax } = messageLimits
  checkLength(table.modelsLength(), 'record.models', modelsMax)
  return {
    id: nodeIdFrom(table.idArray(), 'record.id'),
    network: textOf(table.network(UTF8_BYTES), 'record.network', networkBytesMax),
    sequence: safeNumberOf(table.sequence(), 'record.sequence'),
    issuedAtMs: safeNumberOf(table.issuedAtMs(), 'record.issued_at_ms'),
    expiresAtMs: safeNumberOf(table.expiresAtMs(), 'record.expires_at_ms'),
    softwareVersion: textOf(
      table.softwareVersion(UTF8_BYTES),
      'record.software_version',
      nameBytesMax,
    ),
    region: textOf(table.region(UTF8_BYTES), 'record.region', nameBytesMax),
    cell: textOf(table.cell(UTF8_BYTES), 'record.cell', cellBytesMax),
    addresses: textsOf(table.addressesLength(), (i) => table.addresses(i, UTF8_BYTES), {
      name: 'record.addresses',
      lengthMax: addressesMax,
      bytesMax: nameBytesMax,
    }),
    hardware: readHardware(table.hardware()),
    models: Array.from({ length: table.modelsLength() }, (_, i) => readModel(table.models(i))),
  }
}

function writeHardware(to: Builder, report: HardwareReport): Offset {
  const platform = textOffset(to, report.platform)
  const cpu = textOffset(to, report.cpu)
  const gpu = textOffset(to, report.gpu)
  wire.HardwareReport.startHardwareReport(to)
  wire.HardwareReport.addPlatform(to, platform)
  wire.HardwareReport.addCpu(to, cpu)
  wire.HardwareReport.addCores(to, uint32(report.cores, 'cores'))
  wire.HardwareReport.addMemoryBytes(to, uint53(report.memoryBytes, 'memoryBytes'))
  wire.HardwareReport.addMemoryFreeBytes(to, uint53(report.memoryFreeBytes, 'memoryFreeBytes'))
  wire.HardwareReport.addGpu(to, gpu)
  wire.HardwareReport.addGpuMemoryBytes(to, uint53(report.gpuMemoryBytes, 'gpuMemoryBytes'))
  wire.HardwareReport.addMemoryBandwidthBytesPerSecond(to, report.memoryBandwidthBytesPerSecond)
  wire.HardwareReport.addIntegerExact(to, report.integerExact)
  return wire.HardwareReport.endHardwareReport(to)
}

function readHardware(table: wire.HardwareReport | null): HardwareReport {
  if (table === null) throw malformed('record.hardware is missing')
  const { nameBytesMax } = messageLimits
  return {
    platform: textOf(table.platform(UTF8_BYTES), 'hardware.platform', nameBytesMax),
    cpu: textOf(table.cpu(UTF8_BYTES), 'hardware.cpu', nameBytesMax),
    cores: table.cores(),
    memoryBytes: safeNumberOf(table.memoryBytes(), 'hardware.memory_bytes'),
    memoryFreeBytes: safeNumberOf(table.memoryFreeBytes(), 'hardware.memory_free_bytes'),
    gpu: textOf(table.gpu(UTF8_BYTES), 'hardware.gpu', nameBytesMax),
    gpuMemoryBytes: safeNumberOf(table.gpuMemoryBytes(), 'hardware.gpu_memory_bytes'),
    memoryBandwidthBytesPerSecond: quantityOf(
      table.memoryBandwidthBytesPerSecond(),
      'hardware.memory_bandwidth_bytes_per_second',
    ),
    integerExact: table.integerExact(),
  }
}

function writeModel(to: Builder, model: OfferedModel): Offset {
  const name = textOffset(to, model.name)
  const digest = digestOffset(to, model.digest)
  const runtime = textOffset(to, model.runtime)
  const quantisation = textOffset(to, model.quantisation)
  const features = wire.OfferedModel.createFeaturesVector(to, textOffsets(to, model.features))
  wire.OfferedModel.startOfferedModel(to)
  wire.OfferedModel.addName(to, name)
  wire.OfferedModel.addDigest(to, digest)
  wire.OfferedModel.addRuntime(to, runtime)
  wire.OfferedModel.addQuantisation(to, quantisation)
  wire.OfferedModel.addContextTokensMax(to, uint32(model.contextTokensMax, 'contextTokensMax'))
  wire.OfferedModel.addDecodeTokensPerSecond(to, model.decodeTokensPerSecond)
  wire.OfferedModel.addPrefillTokensPerSecond(to, model.prefillTokensPerSecond)
  wire.OfferedModel.addSlots(to, uint32(model.slots, 'slots'))
  wire.OfferedModel.addFeatures(to, features)
  wire.OfferedModel.addPromptPrice(to, model.promptPrice)
  wire.OfferedModel.addCompletionPrice(to, model.completionPrice)
  return wire.OfferedModel.endOfferedModel(to)
}

function readModel(table: wire.OfferedModel | null): OfferedModel {
  if (table === null) throw malformed('a model is missing')
  const { featuresMax, nameBytesMax } = messageLimits
  const features = textsOf(table.featuresLength(), (i) => table.features(i, UTF8_BYTES), {
    name: 'model.features',
    lengthMax: featuresMax,
    bytesMax: nameBytesMax,
  })
  return {
    name: textOf(table.name(UTF8_BYTES), 'model.name', nameBytesMax),
    digest: modelDigestFrom(table.digestArray(), 'model.digest'),
    runtime: textOf(table.runtime(UTF8_BYTES), 'model.runtime', nameBytesMax),
    quantisation: textOf(table.quantisation(UTF8_BYTES), 'model.quantisation', nameBytesMax),
    contextTokensMax: table.contextTokensMax(),
    decodeTokensPerSecond: quantityOf(table.decodeTokensPerSecond(), 'model.decode'),
    prefillTokensPerSecond: quantityOf(table.prefillTokensPerSecond(), 'model.prefill'),
    slots: table.slots(),
    // What a newer node calls a feature means nothing here.
    features: features.filter(isModelFeature),
    promptPrice: quantityOf(table.promptPrice(), 'model.prompt_price'),
    completionPrice: quantityOf(table.completionPrice(), 'model.completion_price'),
  }
}

function isModelFeature(text: string): text is ModelFeature {
  return (modelFeatures as readonly string[]).includes(text)
}
