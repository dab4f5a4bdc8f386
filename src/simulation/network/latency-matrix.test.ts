import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { gzipSync } from 'node:zlib'
import { IsochroneError } from '../../protocol/index.ts'
import { matrixLimits, readLatencyMatrix } from './latency-matrix.ts'

const three = '0\t10\t20\n10\t0\t15.5\n20\t15.5\t0\n'

describe('a matrix of round trips', () => {
  it('is read from text, also gzipped', () => {
    for (const bytes of [Buffer.from(three), gzipSync(three)]) {
      const { sites, roundTripsMs, notes } = readLatencyMatrix(bytes, 'm.tsv')
      assert.equal(sites, 3)
      assert.deepEqual([...roundTripsMs], [0, 10, 20, 10, 0, 15.5, 20, 15.5, 0])
      assert.deepEqual(notes, [])
    }
  })

  it('is read with what writers differ in: line ends, blank lines, a separator at the end', () => {
    const forms = [
      three.replaceAll('\n', '\r\n'),
      `${three}\n\n`,
      three.trimEnd(),
      three.replaceAll('\n', '\t\n'),
      three.replaceAll('\t', ','),
      three.replaceAll('\t', '  '),
      three.replaceAll('15.5', '1.55e1'),
    ]
    for (const text of forms) {
      const { roundTripsMs } = readLatencyMatrix(Buffer.from(text), 'm')
      assert.deepEqual([...roundTripsMs], [0, 10, 20, 10, 0, 15.5, 20, 15.5, 0], text)
    }
  })

  it('says by what its cells are parted, where that is no tab', () => {
    const notesOf = (parting: string) =>
      readLatencyMatrix(Buffer.from(three.replaceAll('\t', parting)), 'm').notes.join()
    assert.equal(notesOf('\t'), '')
    assert.match(notesOf(','), /parted by commas, not tabs/)
    assert.match(notesOf(' '), /parted by blanks/)
  })

  for (const missing of ['', '0', 'NaN', 'nan', '-1', 'NA', '-', 'null', 'Infinity']) {
    it(`takes “${missing}” from the other direction, or over the shortest detour`, () => {
      const oneSide = readLatencyMatrix(text([`0\t${missing}\t20`, '10\t0\t15', '20\t15\t0']), 'm')
      assert.equal(oneSide.roundTripsMs[1], 10)
      assert.match(oneSide.notes.join(), /1 round trips were measured from one side only/)
      const neither = text([`0\t${missing}\t20`, `${missing}\t0\t15`, '20\t15\t0'])
      const { roundTripsMs, notes } = readLatencyMatrix(neither, 'm')
      assert.deepEqual([roundTripsMs[1], roundTripsMs[3]], [35, 35])
      assert.match(notes.join(), /1 pairs \(33\.3 %\) were not measured/)
    })
  }

  it('keeps both directions where they differ', () => {
    const { roundTripsMs } = readLatencyMatrix(text(['0\t10', '14\t0']), 'm')
    assert.deepEqual([...roundTripsMs], [0, 10, 14, 0])
  })

  it('ignores what a site measured of itself', () => {
    const { roundTripsMs } = readLatencyMatrix(text(['0.04\t10', '10\tNaN']), 'm')
    assert.deepEqual([...roundTripsMs], [0, 10, 10, 0])
  })
})

const lines = matrixLimits.sitesMax + 1
const hostile: readonly [what: string, bytes: Uint8Array, message: RegExp][] = [
  ['nothing', text([]), /is empty/],
  ['blank lines', text(['', ' ', '']), /is empty/],
  ['one site', text(['0']), /has one line/],
  ['a short line', text(['0\t1\t2', '1\t0', '2\t1\t0']), /not square: line 2 has 2 cells/],
  ['a long line', text(['0\t1', '1\t0\t3']), /not square: line 2 has 3 cells/],
  ['a blank line inside', text(['0\t1', '', '1\t0']), /not square: line 1 has 2 cells/],
  ['more columns than lines', text(['0\t1\t2', '1\t0\t2']), /line 1 has 3 cells, and there are 2/],
  ['titles', text(['a\tb', '1\t0']), /line 1, column 1: “a” is no number of ms .*no titles/],
  ['a word', text(['0\t1', '1\tx']), /line 2, column 2: “x” is no number of ms\./],
  ['hexadecimal', text(['0\t0x10', '1\t0']), /line 1, column 2: “0x10” is no number/],
  ['a number too large', text(['0\t1', '60001\t0']), /line 2, column 1: .* longer than a minute/],
  ['an endless number', text(['0\t1e308', '1\t0']), /line 1, column 2: .* longer than a minute/],
  ['a long cell', text([`0\t${'z'.repeat(9_999)}`, '1\t0']), /“z{40}” is no number/],
  ['microseconds', text(['0\t9000', '9000\t0']), /median round trip of 9000 ms.*µs/],
  ['shifted columns', text(['1\t20', '20\t99']), /line 2, column 2: a site is 99 ms from itself/],
  ['a site nobody measured', text(['0\t5\t', '5\t0\t', '\t\t0']), /lines 1 and 3: neither/],
  ['too many lines', text(Array(lines).fill('0')), /has 4097 lines/],
  ['binary', Uint8Array.of(0xff, 0xfe, 0, 1), /is not text/],
  ['gzip cut off', gzipSync(three).subarray(0, 20), /is damaged/],
  ['gzip of garbage', Uint8Array.of(0x1f, 0x8b, 1, 2, 3), /is damaged/],
]

describe('a hostile matrix', () => {
  for (const [what, bytes, message] of hostile) {
    it(`is refused: ${what}`, () => {
      assert.throws(
        () => readLatencyMatrix(bytes, 'bad.tsv'),
        (error) => {
          assert.ok(error instanceof IsochroneError)
          assert.equal(error.code, 'invalid_configuration')
          assert.match(error.message, message)
          assert.match(error.message, /^bad\.tsv /)
          assert.ok(error.message.length < 250)
          return true
        },
      )
    })
  }

  it('is refused: a small file that unpacks to a huge one', () => {
    const bomb = gzipSync(Buffer.alloc(matrixLimits.textBytesMax + 1), { level: 1 })
    assert.throws(() => readLatencyMatrix(bomb, 'bomb.gz'), /unpacks to more than/)
  })
})

function text(rows: readonly string[]): Uint8Array {
  return Buffer.from(rows.join('\n'))
}
