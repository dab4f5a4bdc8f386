/**
 * Weights in 4 bits: blocks of 32 share a scale, and a weight is (q − 8) · scale, as MatMulNBits
 * reads it.
 */
import { blockSize } from './weight-layout.ts'

/**
 * Tried as multiples of the plain scale: clipping the largest weight a little is often closer
 * overall.
 */
const stretches = [1, 0.96, 0.92, 0.88, 0.84, 0.8, 1.04, 8 / 7] as const

/**
 * Quantises one row.
 * @param packed where its blocks go: 16 bytes each, the low four bits first
 * @param scales where its scales go, one per block
 */
export function quantiseRow(row: Float32Array, packed: Uint8Array, scales: Float32Array): void {
  const block = new Float32Array(blockSize)
  for (let b = 0; b < scales.length; b += 1) {
    block.fill(0)
    block.set(row.subarray(b * blockSize, Math.min(row.length, (b + 1) * blockSize)))
    const scale = bestScale(block)
    scales[b] = scale
    for (let i = 0; i < blockSize; i += 2) {
      const low = quantise(block[i] ?? 0, scale)
      const high = quantise(block[i + 1] ?? 0, scale)
      packed[(b * blockSize + i) / 2] = (high << 4) | low
    }
  }
}

/** The scale with the least squared error among the stretches of the plain one. */
function bestScale(block: Float32Array): number {
  let extreme = 0
  for (const value of block) if (Math.abs(value) > Math.abs(extreme)) extreme = value
  if (extreme === 0) return 0
  // −8 is a value and +8 is not: the extreme weight takes the side that has room.
  const plain = Math.fround(extreme / -8)
  let best = plain
  let leastError = Number.POSITIVE_INFINITY
  for (const stretch of stretches) {
    const scale = Math.fround(plain * stretch)
    const error = squaredError(block, scale)
    if (error < leastError) {
      leastError = error
      best = scale
    }
  }
  return best
}

function squaredError(block: Float32Array, scale: number): number {
  let error = 0
  for (let i = 0; i < block.length; i += 1) {
    const value = block[i] ?? 0
    const difference = value - (quantise(value, scale) - 8) * scale
    error += difference * difference
  }
  return error
}

/** Nearest of 0 … 15. */
function quantise(value: number, scale: number): number {
  if (scale === 0) return 8
  const q = Math.round(value / scale) + 8
  return Math.min(15, Math.max(0, q))
}
