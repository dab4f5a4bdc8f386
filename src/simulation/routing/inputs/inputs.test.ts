import assert from 'node:assert/strict'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { readAvailabilityTrace } from './availability-trace.ts'
import { readGpuTable } from './gpu-table.ts'
import { readRequestTrace } from './request-trace.ts'

const bytes = (text: string) => new TextEncoder().encode(text)
const head = 'TIMESTAMP,ContextTokens,GeneratedTokens\n'

test('requests are read from both public forms, gzipped or not', () => {
  const csv = `${head}2023-11-16 18:17:03.9799600,4808,10\n2023-11-16 18:17:04.0319600,3180,0\n`
  for (const form of [bytes(csv), gzipSync(csv)]) {
    const { requests } = readRequestTrace(form, 'trace')
    assert.equal(requests.length, 2)
    assert.ok(Math.abs((requests[1]?.atMs ?? 0) - 52) < 0.001)
    assert.deepEqual(
      requests.map(({ completionTokens }) => completionTokens),
      [10, 1],
    )
  }
  const line = (atMs: number) =>
    JSON.stringify({ timestamp: atMs, input_length: 7, output_length: 5 })
  const coarse = [0, 0, 0, 3_000, 3_000, 3_000, 6_000, 6_000].map(line).join('\n')
  const { requests, notes } = readRequestTrace(bytes(coarse), 'trace')
  assert.deepEqual(
    requests.map(({ atMs }) => atMs),
    [0, 1_000, 2_000, 3_000, 4_000, 5_000, 6_000, 7_500],
  )
  assert.match(notes[0] ?? '', /steps of 3000 ms/)
})

test('whatever is wrong with a file is named with its line and column', () => {
  const trace = (text: string) => () => readRequestTrace(bytes(text), 'T')
  assert.throws(trace(''), /T is empty/)
  assert.throws(trace('a,b\n1,2\n'), /T line 1 has no column “timestamp”/)
  assert.throws(trace(`${head}5,10,1\n5,1x,1\n`), /T line 3, column 2: “1x” is no number of tokens/)
  assert.throws(trace(`${head}5,10,1\n5,-1,1\n`), /T line 3, column 2/)
  assert.throws(trace(`${head}5,10,1\n5\n`), /T line 3 has 1 cells/)
  assert.throws(trace(`${head}soon,10,1\n`), /T line 2, column 1: “soon” is no time/)
  assert.throws(trace('{"timestamp":1}\n'), /T line 1, column 1: “input_length” is missing/)
  assert.throws(trace('{"timestamp":1,\n'), /T line 1, column 1: is not valid JSON/)
  assert.throws(() => readRequestTrace(Uint8Array.of(0x1f, 0x8b, 1), 'T'), /T is damaged/)
  const gpus = (text: string) => () => readGpuTable(bytes(text), 'G')
  const columns = 'model,memory_gb,bandwidth_gb_s,fp16_tflops\n'
  assert.throws(gpus('name\n'), /G line 1 has no column “model”; found: name/)
  assert.throws(gpus(`${columns}A,24,fast,80\n`), /G line 2, column 3: “fast” is no number/)
  assert.throws(gpus(`${columns}A,1,400,80\n`), /G names no processor of the tier/)
  assert.equal(readGpuTable(bytes(`${columns}"A, B",24,900,80\nC,,900,80\n`), 'G').length, 1)
  const comings = (text: string) => () => readAvailabilityTrace(bytes(text), 'A')
  assert.throws(comings('1,add\n'), /A line 1 has 2 cells instead of three/)
  assert.throws(comings('1,comes,n\n'), /A line 1, column 2: “comes” is neither/)
  assert.throws(comings('1,add,n\n2,add,n\n'), /A line 2, column 3: n is added while it is there/)
  assert.throws(comings('1,remove,n\n'), /A line 1, column 3: n is removed but not there/)
})

test('who comes takes the place that was free the longest', () => {
  const text = '0,add,a\n0,add,b\n10,remove,a\n20,remove,b\n20,add,c\n30,add,d\n'
  const { places } = readAvailabilityTrace(bytes(text), 'A')
  const until = Number.POSITIVE_INFINITY
  assert.deepEqual(places[0], [
    { fromMs: 0, toMs: 10 },
    { fromMs: 20, toMs: until },
  ])
  assert.deepEqual(places[1], [
    { fromMs: 0, toMs: 20 },
    { fromMs: 30, toMs: until },
  ])
})
