// The house's own rules: each one bites on what it forbids, and leaves alone what it does not.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { tidyExceptions } from './tidy-exceptions.ts'
import { limits, type TidyRule, tidyFile } from './tidy-rules.ts'

const purpose = '// What it is for.\n'

function rules(file: string, text: string): readonly TidyRule[] {
  return [...new Set(tidyFile(file, text, ['base', 'cli']).map((finding) => finding.rule))]
}

function inSource(code: string): readonly TidyRule[] {
  return rules('src/base/a.ts', `${purpose}${code}\n`)
}

const bites: readonly [what: string, rule: TidyRule, code: string][] = [
  ['the time of day', 'ambient', 'export const a = Date.now()'],
  ['a new date of now', 'ambient', 'export const a = new Date()'],
  ['the monotonic clock', 'ambient', 'export const a = performance.now()'],
  ['randomness', 'ambient', 'export const a = Math.random()'],
  ['randomness by way of globalThis', 'ambient', 'export const a = globalThis.Math.random()'],
  ['a timer', 'ambient', 'setTimeout(() => {}, 10)'],
  ['a repeated timer', 'ambient', 'globalThis.setInterval(() => {}, 10)'],
  ['a timer of a module', 'ambient', "import { setTimeout } from 'node:timers/promises'"],
  ['a timer of a signal', 'ambient', 'export const a = AbortSignal.timeout(10)'],
  ['the console', 'ambient', "console.log('a')"],
  ['the environment', 'ambient', "export const a = process.env['A']"],
  ['an exit', 'ambient', 'process.exit(1)'],
  ['any', 'any', 'export const a: any = 1'],
  ['any inside a type', 'any', 'export const a = new Map<string, any>()'],
  ['an interface with a prefix', 'interface-prefix', 'export interface IThing { a: 1 }'],
  ['a silenced type error', 'silenced', `// @ts-${'ignore'}`],
  ['a machine path', 'machine-path', `export const a = '/${'root'}/model'`],
  ['four parameters', 'parameters', 'export function a(b = 1, c = 1, d = 1, e = 1) {}'],
  ['four parameters of a method', 'parameters', 'class A { b(c, d, e, f) {} }'],
  ['four parameters of a constructor', 'parameters', 'class A { constructor(c, d, e, f) {} }'],
  ['four parameters of an interface', 'parameters', 'interface A { b(c: 1, d: 1, e: 1, f: 1): 1 }'],
  [
    'a long function',
    'function-length',
    `export function a() {${'\n'.repeat(limits.functionLines)}}`,
  ],
  ['a long method', 'function-length', `class A { b() {${'\n'.repeat(limits.functionLines)}} }`],
  ['a long file', 'file-length', 'export {}\n'.repeat(limits.fileLines)],
  ['a long line', 'line-length', `// ${'a'.repeat(limits.lineColumns)}`],
  ['a closure put straight into a field', 'old-closure', 'class A { b() { this.#c = () => 1 } }'],
  ['a function put straight into a property', 'old-closure', 'a.b ??= function () {}'],
  ['what does not parse', 'syntax', 'const = 1'],
]

for (const [what, rule, code] of bites) {
  test(`tidy: ${what} is found`, () => assert.deepEqual(inSource(code), [rule]))
}

const passes: readonly [what: string, code: string][] = [
  ['a date of a given time', 'export const a = new Date(1)'],
  ['a method called like a timer', 'export const a = (b) => b.setTimeout(1)'],
  ['a word in a text', "export const a = 'Date.now() and any'"],
  ['a path below another', `export const a = (b) => \`\${b}/${'tmp'}/c\``],
  ['a closure with a name', 'class A { b() { const c = () => 1; this.#c = c } }'],
  ['a closure in a callback', 'a.b = c.map((d) => d)'],
  ['three parameters', 'export function a(this: A, b = 1, c = 1, d = 1) {}'],
  ['a callback of four', 'a.b((c, d, e, f) => c)'],
  ['a function at the limit', `export function a() {${'\n'.repeat(limits.functionLines - 1)}}`],
  ['a line of 100 letters, not bytes', `// ${'é'.repeat(limits.lineColumns - 3)}`],
]

for (const [what, code] of passes) {
  test(`tidy: ${what} passes`, () => assert.deepEqual(inSource(code), []))
}

test('tidy: the composition roots, tools and benches may read their surroundings', () => {
  const code = `${purpose}console.log(Date.now(), process.env['A'])\n`
  for (const file of ['src/cli/main.ts', 'tools/a.ts', 'bench/a.ts']) {
    assert.deepEqual(rules(file, code), [])
  }
})

test('tidy: a finding names its line, also after letters of several bytes', () => {
  const text = "// ünïcödé 😀\nexport const s = '😀é'\n\nexport const a = Date.now()\n"
  const [finding] = tidyFile('src/base/a.ts', text, ['base'])
  assert.equal(finding?.line, 4)
})

test('tidy: names', () => {
  assert.deepEqual(rules('src/base/helpers.ts', purpose), ['file-name'])
  assert.deepEqual(rules('src/base/string-utils.ts', purpose), ['file-name'])
  assert.deepEqual(rules('src/base/common/a.ts', purpose), ['file-name'])
  assert.deepEqual(rules('src/base/camelCase.ts', purpose), ['file-name'])
  assert.deepEqual(rules('src/base/a-b.e2e.test.ts', ''), [])
  assert.deepEqual(rules('src/attic/a.ts', purpose), ['unknown-room'])
  assert.deepEqual(rules('src/a.ts', purpose), ['unknown-room'])
})

test('tidy: a door and a file begin with a comment', () => {
  assert.deepEqual(rules('src/base/index.ts', '// base\nexport {}\n'), ['door-comment'])
  assert.deepEqual(rules('src/base/index.ts', '/** base */\nexport {}\n'), [])
  assert.deepEqual(rules('src/base/a.ts', 'export {}\n'), ['purpose-comment'])
})

test('tidy: work left open and tests left out are found', () => {
  assert.deepEqual(inSource(`// ${'TO'}${'DO'}: later`), ['left-open'])
  const file = 'src/base/a.test.ts'
  for (const word of ['only', 'skip', 'todo']) {
    assert.deepEqual(rules(file, `test.${word}('a', () => {})\n`), ['test-left-out'])
  }
})

test('tidy: a suite may be long, a test in it may not', () => {
  const file = 'src/base/a.test.ts'
  const many = "test('a', () => {})\n".repeat(limits.functionLines)
  assert.deepEqual(rules(file, `describe('a', () => {\n${many}})\n`), [])
  const long = '\n'.repeat(limits.functionLines)
  assert.deepEqual(rules(file, `test('a', () => {${long}})\n`), ['function-length'])
})

test('tidy: every exception has a reason', () => {
  for (const { file, reason } of tidyExceptions) assert(reason.length > 20, file)
})
