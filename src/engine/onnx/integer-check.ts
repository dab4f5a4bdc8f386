/**
 * Are products of integer matrices exact on this machine? Audits compare integer results bit by
 * bit, so a node asks itself before it joins.
 *
 * Random bytes and the extremes, as one row and as many (other kernels), with the right matrix
 * constant (packed) and as an input, against whole numbers computed here.
 */
import { seededRandom } from '../../base/index.ts'
import { integerMultiplyGraph, type ProductShape } from './probe-graphs.ts'
import { createSession, loadRuntime, type OnnxBackend, type OnnxRuntime } from './runtime.ts'

export interface IntegerReport {
  readonly exact: boolean
  readonly detail: string
}

/** The longest sums reach 4096 · 128² = 2^26; odd sizes meet the kernels' edges. */
const shapes: readonly ProductShape[] = [
  { rows: 1, inner: 4096, columns: 48 },
  { rows: 17, inner: 1031, columns: 37 },
]

type Filling = 'random' | 'lowest' | 'highest' | 'opposed'

const fillings: readonly Filling[] = ['random', 'lowest', 'highest', 'opposed']

/** @throws IsochroneError `engine_unavailable` when the back end cannot run at all */
export async function verifyIntegerMatmul(backend: OnnxBackend): Promise<IntegerReport> {
  const runtime = await loadRuntime(backend)
  let products = 0
  for (const shape of shapes) {
    for (const filling of fillings) {
      const left = fill(shape.rows * shape.inner, filling === 'opposed' ? 'lowest' : filling)
      const right = fill(shape.inner * shape.columns, filling === 'opposed' ? 'highest' : filling)
      const expected = multiplyExactly(left, right, shape)
      for (const isConstant of [true, false]) {
        const actual = await multiply({ runtime, backend, shape, left, right, isConstant })
        const wrong = expected.findIndex((value, i) => value !== actual[i])
        products += expected.length
        if (wrong < 0) continue
        const what = `${shape.rows}×${shape.inner}×${shape.columns}, ${filling}`
        const detail = `${what}: element ${wrong} is ${actual[wrong]} instead of ${expected[wrong]}`
        return { exact: false, detail }
      }
    }
  }
  return { exact: true, detail: `${products} sums of products of bytes are exact` }
}

async function multiply(options: {
  readonly runtime: OnnxRuntime
  readonly backend: OnnxBackend
  readonly shape: ProductShape
  readonly left: Uint8Array
  readonly right: Uint8Array
  readonly isConstant: boolean
}): Promise<Int32Array> {
  const { runtime, backend, shape, left, right, isConstant } = options
  const graph = integerMultiplyGraph(shape, isConstant ? right : undefined)
  const session = await createSession(runtime, graph, { backend, threads: 1 })
  try {
    const { Tensor } = runtime
    const feeds = { left: new Tensor('uint8', left, [shape.rows, shape.inner]) }
    const outputs = await session.run(
      isConstant
        ? feeds
        : { ...feeds, right: new Tensor('uint8', right, [shape.inner, shape.columns]) },
    )
    return outputs['product']?.data as Int32Array
  } finally {
    await session.release()
  }
}

function fill(length: number, filling: Filling): Uint8Array {
  if (filling === 'random') return seededRandom(length).bytes(length)
  return new Uint8Array(length).fill(filling === 'lowest' ? 0 : 255)
}

/** Sums stay below 2^31, where doubles are exact. */
function multiplyExactly(left: Uint8Array, right: Uint8Array, shape: ProductShape): Int32Array {
  const { rows, inner, columns } = shape
  const product = new Int32Array(rows * columns)
  for (let row = 0; row < rows; row += 1) {
    for (let k = 0; k < inner; k += 1) {
      const factor = (left[row * inner + k] ?? 0) - 128
      for (let column = 0; column < columns; column += 1) {
        const at = row * columns + column
        const value = (right[k * columns + column] ?? 0) - 128
        product[at] = (product[at] ?? 0) + factor * value
      }
    }
  }
  return product
}
