/**
 * Requests as a service saw them: when they came, and their tokens. Two public forms are read: CSV
 * with `TIMESTAMP,ContextTokens,GeneratedTokens` (Azure), and lines of JSON with `timestamp` in ms,
 * `input_length` and `output_length` (Mooncake).
 */
import { cellsOf, fail, failAt, numberAt, type Place, type Row, rowsOf } from './rows.ts'

export interface TracedRequest {
  /** Since the first one. */
  readonly atMs: number
  readonly promptTokens: number
  readonly completionTokens: number
}

export interface RequestTrace {
  /** In the order of time. */
  readonly requests: readonly TracedRequest[]
  /** From the first request until the next one after the last would be due. */
  readonly lengthMs: number
  readonly notes: readonly string[]
}

/** Some traces round times to seconds: what came within a grain is spread over it. */
const grainMsMax = 10_000
const requestsMax = 1_000_000
const tokensMax = 10_000_000

export function readRequestTrace(bytes: Uint8Array, name: string): RequestTrace {
  const rows = rowsOf(bytes, name)
  const first = rows[0]
  if (first === undefined) fail(name, 'is empty; it should hold one request per line')
  const isJson = first.text.trimStart().startsWith('{')
  const raw = isJson ? rows.map((row) => fromJson(row, name)) : fromCsv(rows, name)
  if (raw.length < 2) fail(name, 'holds fewer than two requests')
  if (raw.length > requestsMax) fail(name, `holds more than ${requestsMax} requests`)
  raw.sort((a, b) => a.atMs - b.atMs)
  return traceOf(raw)
}

export function traceOf(sorted: readonly TracedRequest[]): RequestTrace {
  const startMs = sorted[0]?.atMs ?? 0
  const spanMs = (sorted.at(-1)?.atMs ?? 0) - startMs
  const requests = sorted.map((request) => ({ ...request, atMs: request.atMs - startMs }))
  const grainMs = grainOf(requests)
  if (grainMs === 0) {
    const lengthMs = (spanMs * requests.length) / Math.max(1, requests.length - 1)
    return { requests, lengthMs: Math.max(1, lengthMs), notes: [] }
  }
  const notes = [`times are in steps of ${grainMs} ms: what came at one is spread over it`]
  return { requests: spread(requests, grainMs), lengthMs: spanMs + grainMs, notes }
}

/** The step in which times come, where many share one; 0: times are fine. */
function grainOf(requests: readonly TracedRequest[]): number {
  const times = [...new Set(requests.map(({ atMs }) => atMs))]
  if (times.length * 2 > requests.length) return 0
  const gaps = times.slice(1).map((atMs, i) => atMs - (times[i] ?? 0))
  const grainMs = gaps.sort((a, b) => a - b)[Math.floor(gaps.length / 2)] ?? 0
  return grainMs >= 100 && grainMs <= grainMsMax ? grainMs : 0
}

function spread(requests: readonly TracedRequest[], grainMs: number): TracedRequest[] {
  const result: TracedRequest[] = []
  for (let from = 0; from < requests.length; ) {
    const atMs = requests[from]?.atMs ?? 0
    let to = from
    while (requests[to]?.atMs === atMs) to += 1
    for (let i = from; i < to; i += 1) {
      const one = requests[i] as TracedRequest
      result.push({ ...one, atMs: atMs + ((i - from) * grainMs) / (to - from) })
    }
    from = to
  }
  return result
}

function fromCsv(rows: readonly Row[], name: string): TracedRequest[] {
  const head = cellsOf(rows[0]?.text ?? '').map((title) => title.toLowerCase())
  const columns = ['timestamp', 'contexttokens', 'generatedtokens'].map((title) => {
    const column = head.indexOf(title)
    if (column < 0) {
      const wanted = 'TIMESTAMP, ContextTokens and GeneratedTokens, or lines of JSON'
      fail(name, `line 1 has no column “${title}”; a trace has the columns ${wanted}`)
    }
    return column
  })
  const [time = 0, context = 0, generated = 0] = columns
  return rows.slice(1).map(({ line, text }) => {
    const cells = cellsOf(text)
    const at = (column: number): [string, Place] => {
      const cell = cells[column]
      if (cell === undefined) {
        fail(name, `line ${line} has ${cells.length} cells, and line 1 has ${head.length}`)
      }
      return [cell, { name, line, column: column + 1 }]
    }
    return {
      atMs: timeOf(...at(time)),
      promptTokens: tokensOf(...at(context)),
      completionTokens: Math.max(1, tokensOf(...at(generated))),
    }
  })
}

/** As ms, or as a date and a time of the day with any digits of a second. */
function timeOf(text: string, place: Place): number {
  const [, date, time, fraction = ''] =
    /^(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)(\.\d+)?(?:Z|\+00:00)?$/.exec(text) ?? []
  if (date === undefined) return numberAt(text, place, 'time (2023-11-16 18:17:03.97, or ms)')
  const ms = Date.parse(`${date}T${time}Z`)
  if (Number.isNaN(ms)) failAt(place, `“${text}” is no time`)
  return ms + Number(`0${fraction}`) * 1_000
}

function tokensOf(text: string, place: Place): number {
  const tokens = numberAt(text, place, 'number of tokens')
  if (tokens > tokensMax) failAt(place, `${text} tokens are more than any model reads`)
  return Math.round(tokens)
}

function fromJson({ line, text }: Row, name: string): TracedRequest {
  const value = parsed(text, { name, line, column: 1 })
  const field = (key: string) => {
    const given = value[key]
    const place = { name, line, column: Math.max(0, text.indexOf(`"${key}"`)) + 1 }
    if (typeof given === 'number' && given >= 0 && Number.isFinite(given)) return given
    failAt(place, `“${key}” is ${given === undefined ? 'missing' : 'no number from 0'}`)
  }
  const at = field('timestamp')
  const [prompt, completion] = [field('input_length'), field('output_length')]
  if (prompt > tokensMax || completion > tokensMax) {
    failAt({ name, line, column: 1 }, 'has more tokens than any model reads')
  }
  const completionTokens = Math.max(1, Math.round(completion))
  return { atMs: at, promptTokens: Math.round(prompt), completionTokens }
}

function parsed(text: string, place: Place): Readonly<Record<string, unknown>> {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    failAt(place, 'is not valid JSON')
  }
  if (typeof value === 'object' && value !== null) return value as Record<string, unknown>
  failAt(place, 'is no JSON object')
}
