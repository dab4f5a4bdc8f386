/**
 * Writes ONNX models (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto): the few messages and
 * fields that this project's graphs use, by their field numbers.
 */
import protobuf from 'protobufjs/minimal.js'

type Writer = protobuf.Writer

/** Element types by ONNX's own numbers (TensorProto.DataType). */
export const elementTypes = {
  float32: 1,
  uint8: 2,
  int8: 3,
  int32: 6,
  int64: 7,
  float16: 10,
} as const

export type ElementType = keyof typeof elementTypes

/** A number, or the name of a dimension that varies from run to run. */
export type Dimension = number | string

export interface ValueInfo {
  readonly name: string
  readonly type: ElementType
  readonly shape: readonly Dimension[]
  /** A sequence of such tensors instead of one. */
  readonly isSequence?: boolean
}

export interface Initializer {
  readonly name: string
  readonly type: ElementType
  readonly shape: readonly number[]
  /** The values themselves, little-endian, or where they lie in a file beside the model. */
  readonly data: Uint8Array | ExternalData
}

export interface ExternalData {
  readonly file: string
  readonly offset: number
  readonly bytes: number
}

/** A float attribute is wrapped, since 1 and 1.0 are one number here and two types there. */
export type AttributeValue = number | string | { readonly float: number } | readonly number[]

export interface GraphNode {
  readonly operator: string
  /** Empty for ONNX's own operators. */
  readonly domain: string
  readonly name: string
  /** An empty string stands for an optional input that is left out. */
  readonly inputs: readonly string[]
  readonly outputs: readonly string[]
  readonly attributes: Readonly<Record<string, AttributeValue>>
}

export interface OnnxGraph {
  readonly name: string
  readonly inputs: readonly ValueInfo[]
  readonly outputs: readonly ValueInfo[]
  readonly initializers: readonly Initializer[]
  readonly nodes: readonly GraphNode[]
}

/** IR 10 and opset 21 are understood by every ONNX Runtime since 1.18. */
const irVersion = 10
const opsets: readonly (readonly [domain: string, version: number])[] = [
  ['', 21],
  ['com.microsoft', 1],
]

export function encodeOnnxModel(graph: OnnxGraph): Uint8Array {
  const writer = protobuf.Writer.create()
  writer.uint32(tag(1, 'varint')).int32(irVersion)
  text(writer, 2, 'isochrone')
  message(writer, 7, () => writeGraph(writer, graph))
  for (const [domain, version] of opsets) {
    message(writer, 8, () => {
      text(writer, 1, domain)
      writer.uint32(tag(2, 'varint')).int32(version)
    })
  }
  return writer.finish()
}

function writeGraph(writer: Writer, graph: OnnxGraph): void {
  for (const node of graph.nodes) message(writer, 1, () => writeNode(writer, node))
  text(writer, 2, graph.name)
  for (const initializer of graph.initializers) {
    message(writer, 5, () => writeInitializer(writer, initializer))
  }
  for (const input of graph.inputs) message(writer, 11, () => writeValueInfo(writer, input))
  for (const output of graph.outputs) message(writer, 12, () => writeValueInfo(writer, output))
}

function writeNode(writer: Writer, node: GraphNode): void {
  for (const input of node.inputs) text(writer, 1, input)
  for (const output of node.outputs) text(writer, 2, output)
  text(writer, 3, node.name)
  text(writer, 4, node.operator)
  for (const [name, value] of Object.entries(node.attributes)) {
    message(writer, 5, () => writeAttribute(writer, name, value))
  }
  if (node.domain !== '') text(writer, 7, node.domain)
}

function writeAttribute(writer: Writer, name: string, value: AttributeValue): void {
  const kind = tag(20, 'varint')
  text(writer, 1, name)
  if (typeof value === 'number') {
    writer.uint32(tag(3, 'varint')).int64(value).uint32(kind).int32(2)
  } else if (typeof value === 'string') {
    text(writer, 4, value)
    writer.uint32(kind).int32(3)
  } else if ('float' in value) {
    writer.uint32(tag(2, 'fixed32')).float(value.float).uint32(kind).int32(1)
  } else {
    for (const item of value) writer.uint32(tag(8, 'varint')).int64(item)
    writer.uint32(kind).int32(7)
  }
}

function writeInitializer(writer: Writer, initializer: Initializer): void {
  for (const size of initializer.shape) writer.uint32(tag(1, 'varint')).int64(size)
  writer.uint32(tag(2, 'varint')).int32(elementTypes[initializer.type])
  text(writer, 8, initializer.name)
  const { data } = initializer
  if (data instanceof Uint8Array) {
    writer.uint32(tag(9, 'bytes')).bytes(data)
    return
  }
  const entries = { location: data.file, offset: `${data.offset}`, length: `${data.bytes}` }
  for (const [key, value] of Object.entries(entries)) {
    message(writer, 13, () => {
      text(writer, 1, key)
      text(writer, 2, value)
    })
  }
  // data_location: EXTERNAL
  writer.uint32(tag(14, 'varint')).int32(1)
}

function writeValueInfo(writer: Writer, value: ValueInfo): void {
  text(writer, 1, value.name)
  message(writer, 2, () => {
    if (value.isSequence !== true) return writeTensorType(writer, value)
    message(writer, 4, () => message(writer, 1, () => writeTensorType(writer, value)))
  })
}

function writeTensorType(writer: Writer, value: ValueInfo): void {
  message(writer, 1, () => {
    writer.uint32(tag(1, 'varint')).int32(elementTypes[value.type])
    message(writer, 2, () => {
      for (const size of value.shape) message(writer, 1, () => writeDimension(writer, size))
    })
  })
}

function writeDimension(writer: Writer, size: Dimension): void {
  if (typeof size === 'number') writer.uint32(tag(1, 'varint')).int64(size)
  else text(writer, 2, size)
}

const wireTypes = { varint: 0, bytes: 2, fixed32: 5 } as const

function tag(field: number, wire: keyof typeof wireTypes): number {
  return (field << 3) | wireTypes[wire]
}

function text(writer: Writer, field: number, value: string): void {
  writer.uint32(tag(field, 'bytes')).string(value)
}

function message(writer: Writer, field: number, body: () => void): void {
  writer.uint32(tag(field, 'bytes')).fork()
  body()
  writer.ldelim()
}
