/**
 * Four-bit blocks as a float32 matrix, in operators that the runtime computes once, when it loads
 * the graph: what they depend on is constant.
 */
import { blockSize } from '../weight-layout.ts'
import type { GraphBuilder } from './graph-builder.ts'
import { elementTypes } from './onnx-model.ts'

export interface PackedMatrix {
  /** Of an initializer uint8 [rows, blocks, blockSize / 2], the low four bits first. */
  readonly packed: string
  /** Of an initializer float32 [rows · blocks]. */
  readonly scales: string
  readonly rows: number
  readonly columns: number
}

/** @returns the name of (q − 8) · scale, float32 [columns, rows] */
export function expandBlocks(graph: GraphBuilder, matrix: PackedMatrix): string {
  const { rows, columns } = matrix
  const blocks = Math.ceil(columns / blockSize)
  const four = uint8(graph, 'int4_bits', 4)
  const up = graph.node('BitShift', [matrix.packed, four], { attributes: { direction: 'LEFT' } })
  const right = { attributes: { direction: 'RIGHT' } }
  const halves = [
    graph.node('BitShift', [up, four], right),
    graph.node('BitShift', [matrix.packed, four], right),
  ].map((half) => reshape(graph, half, [rows, blocks, blockSize / 2, 1]))
  const pairs = graph.node('Concat', halves, { attributes: { axis: 3 } })
  const values = graph.node('Cast', [reshape(graph, pairs, [rows, blocks, blockSize])], {
    attributes: { to: elementTypes.float32 },
  })
  const zero = float32(graph, 'int4_zero', 8)
  const steps = graph.node('Sub', [values, zero])
  const scales = reshape(graph, matrix.scales, [rows, blocks, 1])
  const padded = reshape(graph, graph.node('Mul', [steps, scales]), [rows, blocks * blockSize])
  const transposed = graph.node('Transpose', [padded], { attributes: { perm: [1, 0] } })
  if (columns === blocks * blockSize) return transposed
  const [first, end] = [int64(graph, [0]), int64(graph, [columns])]
  return graph.node('Slice', [transposed, first, end, first])
}

function reshape(graph: GraphBuilder, value: string, shape: readonly number[]): string {
  return graph.node('Reshape', [value, int64(graph, shape)])
}

function int64(graph: GraphBuilder, values: readonly number[]): string {
  const data = new Uint8Array(BigInt64Array.from(values, BigInt).buffer)
  const name = `int64_${values.join('_')}`
  return graph.initializer({ name, type: 'int64', shape: [values.length], data })
}

function uint8(graph: GraphBuilder, name: string, value: number): string {
  return graph.initializer({ name, type: 'uint8', shape: [1], data: Uint8Array.of(value) })
}

function float32(graph: GraphBuilder, name: string, value: number): string {
  const data = new Uint8Array(Float32Array.of(value).buffer)
  return graph.initializer({ name, type: 'float32', shape: [], data })
}
