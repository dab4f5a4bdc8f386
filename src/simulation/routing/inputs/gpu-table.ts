/**
 * What processors can do, by their makers: CSV with the columns `model`, `memory_gb`,
 * `bandwidth_gb_s`, `fp16_tflops`, others beside. Rows that lack one of these are left out.
 */
import { cellsOf, fail, failAt, numberAt, rowsOf } from './rows.ts'

export interface GpuKind {
  readonly name: string
  readonly memoryGb: number
  readonly bandwidthGbPerSecond: number
  readonly teraflops: number
}

const titles = ['model', 'memory_gb', 'bandwidth_gb_s', 'fp16_tflops'] as const
/** What a tier of one class takes in: one model on one card, no faster than the fastest cards. */
const tier = { memoryGb: 12, bandwidthGbPerSecond: 400, teraflopsLeast: 20, teraflopsMost: 130 }

/** Those of the tier, each name once. */
export function readGpuTable(bytes: Uint8Array, name: string): readonly GpuKind[] {
  const rows = rowsOf(bytes, name)
  const head = cellsOf(rows[0]?.text ?? '')
  const columns = titles.map((title) => {
    const column = head.indexOf(title)
    const found = head.slice(0, 12).join(', ').slice(0, 200)
    if (column < 0) fail(name, `line 1 has no column “${title}”; found: ${found || 'nothing'}`)
    return column
  })
  const kinds = new Map<string, GpuKind>()
  for (const { line, text } of rows.slice(1)) {
    const cells = cellsOf(text)
    if (cells.length !== head.length) {
      fail(name, `line ${line} has ${cells.length} cells, and line 1 has ${head.length}`)
    }
    const [model = '', ...figures] = columns.map((column) => cells[column] ?? '')
    if (model === '') failAt({ name, line, column: (columns[0] ?? 0) + 1 }, 'no model is named')
    if (figures.includes('')) continue
    const [memoryGb = 0, bandwidthGbPerSecond = 0, teraflops = 0] = figures.map((figure, i) =>
      numberAt(figure, { name, line, column: (columns[i + 1] ?? 0) + 1 }, 'number'),
    )
    const kind = { name: model, memoryGb, bandwidthGbPerSecond, teraflops }
    if (isOfTier(kind) && !kinds.has(model)) kinds.set(model, kind)
  }
  if (kinds.size === 0) {
    const least = `${tier.memoryGb} GB, ${tier.bandwidthGbPerSecond} GB/s`
    const flops = `${tier.teraflopsLeast} to ${tier.teraflopsMost} TFLOPS`
    fail(name, `names no processor of the tier that is simulated (at least ${least}, ${flops})`)
  }
  return [...kinds.values()]
}

function isOfTier({ memoryGb, bandwidthGbPerSecond, teraflops }: GpuKind): boolean {
  if (memoryGb < tier.memoryGb || bandwidthGbPerSecond < tier.bandwidthGbPerSecond) return false
  return teraflops >= tier.teraflopsLeast && teraflops <= tier.teraflopsMost
}
