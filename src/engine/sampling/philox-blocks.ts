/**
 * Philox4x32-10 for many counters at once, as a WebAssembly function that is assembled here:
 * JavaScript has no 32 × 32 → 64 bit product, and noise is most of what sampling costs. The words
 * are those of `philox4x32`, which a test holds it to.
 */
const multipliers = [0xd2511f53, 0xcd9e8d57] as const
const weyls = [0x9e3779b9, 0xbb67ae85] as const
const rounds = 10
const countMax = 512
/** The counters' blocks come first in memory, then 16 bytes of output for each. */
const wordsAt = countMax * 4

/** What is used of it; the platform's types leave it to the browser's. */
declare const WebAssembly: {
  readonly Module: new (bytes: Uint8Array<ArrayBuffer>) => object
  readonly Instance: new (module: object) => { readonly exports: Readonly<Record<string, unknown>> }
}

type Generate = (count: number, position: number, key0: number, key1: number) => void

export class PhiloxBlocks {
  readonly countMax = countMax
  /** In: for each block the first word of its counter; the second is the position. */
  readonly counters: Uint32Array
  /** Out: 4 for each block. */
  readonly words: Uint32Array
  readonly #generate: Generate

  constructor() {
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(moduleBytes()))
    const { buffer } = exports['memory'] as { readonly buffer: ArrayBuffer }
    this.counters = new Uint32Array(buffer, 0, countMax)
    this.words = new Uint32Array(buffer, wordsAt, 4 * countMax)
    this.#generate = exports['generate'] as Generate
  }

  generate(count: number, position: number, key: Uint32Array): void {
    if (count > 0) this.#generate(count, position, key[0] as number, key[1] as number)
  }
}

const i32 = 0x7f
const i64 = 0x7e
const op = { add: 0x6a, subtract: 0x6b, xor: 0x73, shiftLeft: 0x74, wide: 0xad, narrow: 0xa7 }
const wide = { multiply: 0x7e, shiftRight: 0x88 }

/** Parameters, then four words of the counter (i32) and two products (i64). */
const local = { count: 0, position: 1, key: [2, 3], c: [4, 5, 6, 7], at: 8, product: [9, 10] }

function moduleBytes(): Uint8Array<ArrayBuffer> {
  const type = [1, 0x60, 4, i32, i32, i32, i32, 0]
  const names = [2, ...text('memory'), 2, 0, ...text('generate'), 0, 0]
  const body = [2, 5, i32, 2, i64, ...loop(), 0x0b]
  return Uint8Array.of(
    ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, type),
    ...section(3, [1, 0]),
    ...section(5, [1, 0, 1]),
    ...section(7, names),
    ...section(10, [1, ...unsigned(body.length), ...body]),
  )
}

/** From the last block down to the first. */
function loop(): number[] {
  const [c0, c1, c2, c3] = local.c as [number, number, number, number]
  const counterAt = [...get(local.at), ...constant(2), op.shiftLeft]
  const output = (word: number, index: number) => [
    ...[...get(local.at), ...constant(4), op.shiftLeft],
    ...[...get(word), 0x36, 2, ...unsigned(wordsAt + 4 * index)],
  ]
  return [
    ...[0x03, 0x40],
    ...[...get(local.count), ...constant(1), op.subtract, ...set(local.at)],
    ...[...counterAt, 0x28, 2, 0, ...set(c0)],
    ...[...get(local.position), ...set(c1)],
    ...[...constant(0), ...set(c2), ...constant(0), ...set(c3)],
    ...Array.from({ length: rounds }, (_, i) => round(i)).flat(),
    ...[c0, c1, c2, c3].flatMap(output),
    ...[...get(local.at), ...set(local.count), ...get(local.count)],
    ...[0x0d, 0, 0x0b],
  ]
}

function round(index: number): number[] {
  const [c0, c1, c2, c3] = local.c as [number, number, number, number]
  const [p0, p1] = local.product as [number, number]
  const product = (from: number, lane: 0 | 1, to: number) => [
    ...[...get(from), op.wide, 0x42, ...signed(multipliers[lane]), wide.multiply, ...set(to)],
  ]
  const mixed = (from: number, other: number, lane: 0 | 1) => [
    ...[...get(from), 0x42, ...signed(32), wide.shiftRight, op.narrow, ...get(other), op.xor],
    ...[...get(local.key[lane] as number), ...constant(Math.imul(weyls[lane], index)), op.add],
    op.xor,
  ]
  return [
    ...[...product(c0, 0, p0), ...product(c2, 1, p1)],
    ...[...mixed(p1, c1, 0), ...set(c0), ...mixed(p0, c3, 1), ...set(c2)],
    ...[...get(p1), op.narrow, ...set(c1), ...get(p0), op.narrow, ...set(c3)],
  ]
}

function get(index: number): number[] {
  return [0x20, index]
}

function set(index: number): number[] {
  return [0x21, index]
}

function constant(value: number): number[] {
  return [0x41, ...signed(value | 0)]
}

function section(id: number, content: readonly number[]): number[] {
  return [id, ...unsigned(content.length), ...content]
}

function text(name: string): number[] {
  return [name.length, ...Buffer.from(name)]
}

/** LEB128, as WebAssembly writes constants. */
function signed(value: number): number[] {
  const bytes: number[] = []
  let rest = BigInt(value)
  for (;;) {
    const low = Number(rest & 0x7fn)
    rest >>= 7n
    const isDone = rest === (low & 0x40 ? -1n : 0n)
    bytes.push(isDone ? low : low | 0x80)
    if (isDone) return bytes
  }
}

/** LEB128, as WebAssembly writes sizes. */
function unsigned(value: number): number[] {
  const low = value & 0x7f
  return value < 0x80 ? [low] : [low | 0x80, ...unsigned(value >>> 7)]
}
