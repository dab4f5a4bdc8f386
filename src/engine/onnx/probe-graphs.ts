/**
 * Graphs of one product, for trying a back end out.
 */
import { encodeOnnxModel } from '../../models/index.ts'

export interface ProductShape {
  readonly rows: number
  readonly inner: number
  readonly columns: number
}

/** product = left × right, in float32. */
export function multiplyGraph(shape: ProductShape): Uint8Array {
  const { rows, inner, columns } = shape
  return encodeOnnxModel({
    name: 'product',
    inputs: [
      { name: 'left', type: 'float32', shape: [rows, inner] },
      { name: 'right', type: 'float32', shape: [inner, columns] },
    ],
    outputs: [{ name: 'product', type: 'float32', shape: [rows, columns] }],
    initializers: [],
    nodes: [
      {
        operator: 'MatMul',
        domain: '',
        name: 'product',
        inputs: ['left', 'right'],
        outputs: ['product'],
        attributes: {},
      },
    ],
  })
}

/**
 * product = (left − 128) × (right − 128) of bytes, as int32. Both operands unsigned with zero point
 * 128: other combinations saturate silently on some processors.
 * @param right the matrix as a constant, which the runtime packs when it loads; undefined: an input
 */
export function integerMultiplyGraph(shape: ProductShape, right?: Uint8Array): Uint8Array {
  const { rows, inner, columns } = shape
  const zero = { type: 'uint8', shape: [], data: Uint8Array.of(128) } as const
  const rightInfo = { name: 'right', type: 'uint8', shape: [inner, columns] } as const
  return encodeOnnxModel({
    name: 'integer product',
    inputs: [
      { name: 'left', type: 'uint8', shape: [rows, inner] },
      ...(right === undefined ? [rightInfo] : []),
    ],
    outputs: [{ name: 'product', type: 'int32', shape: [rows, columns] }],
    initializers: [
      { name: 'left_zero', ...zero },
      { name: 'right_zero', ...zero },
      ...(right === undefined ? [] : [{ ...rightInfo, data: right }]),
    ],
    nodes: [
      {
        operator: 'MatMulInteger',
        domain: '',
        name: 'product',
        inputs: ['left', 'right', 'left_zero', 'right_zero'],
        outputs: ['product'],
        attributes: {},
      },
    ],
  })
}
