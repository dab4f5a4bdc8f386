/**
 * The house's own rules for one source file, beyond what Biome and dependency-cruiser know.
 *
 * Pure: a path and a text go in, findings come out. `tools/tidy.ts` reads the tree and prints.
 */
import { basename } from 'node:path'
import { parseSync } from '@swc/core'

export const limits = {
  fileLines: 400,
  functionLines: 70,
  lineColumns: 100,
  positionalParameters: 3,
}

export type TidyRule =
  | 'ambient'
  | 'any'
  | 'door-comment'
  | 'file-length'
  | 'file-name'
  | 'function-length'
  | 'interface-prefix'
  | 'left-open'
  | 'line-length'
  | 'machine-path'
  | 'old-closure'
  | 'parameters'
  | 'purpose-comment'
  | 'silenced'
  | 'syntax'
  | 'test-left-out'
  | 'unknown-room'

export interface Finding {
  readonly file: string
  readonly line: number
  readonly rule: TidyRule
  readonly message: string
}

/** A node of swc's tree; fields beyond these are looked up by name. */
interface SyntaxNode {
  readonly type: string
  readonly span?: { readonly start: number; readonly end: number }
  readonly [field: string]: unknown
}

type Report = (rule: TidyRule, line: number, message: string) => void

/** Everything that the rules find in one file; `file` is relative to the repository, with `/`. */
export function tidyFile(file: string, text: string, rooms: readonly string[]): readonly Finding[] {
  const findings: Finding[] = []
  const report: Report = (rule, line, message) => findings.push({ file, line, rule, message })
  checkName(file, rooms, report)
  checkText(file, text, report)
  try {
    checkSyntaxTree(file, text, report)
  } catch (error) {
    report('syntax', 1, `cannot be parsed: ${String(error).split('\n')[0]}`)
  }
  return findings
}

// Names.

const kebabCase = /^\.?[a-z0-9]+(-[a-z0-9]+)*(\.[a-z0-9]+)+$/
const emptyNames = /^(utils?|helpers?|managers?|common|misc|shared)$/

function checkName(file: string, rooms: readonly string[], report: Report): void {
  const parts = file.split('/')
  const name = basename(file)
  if (!kebabCase.test(name)) report('file-name', 1, 'file names are in kebab-case')
  for (const part of parts) {
    const words = part.replace(/\..*$/, '').split('-')
    const empty = words.find((word) => emptyNames.test(word))
    if (empty !== undefined) {
      report('file-name', 1, `“${empty}” says nothing: name the file after the field's own concept`)
    }
  }
  if (parts[0] === 'src' && (parts.length < 3 || !rooms.includes(parts[1] ?? ''))) {
    report('unknown-room', 1, 'every file in src/ lies in a room that tools/rooms.cjs lists')
  }
}

// Lines of text.

const leftOpen = /\b(?:TO-?DO|FIX-?ME)\b/
const silenced = /@ts-(?:ignore|nocheck|expect-error)|(?:biome|eslint)-(?:ignore|disable)/
const machinePath = /(?<![\w.}])\/(?:work|tmp|root|home\/[a-z]+)\//

function checkText(file: string, text: string, report: Report): void {
  const lines = text.split('\n')
  const count = text.endsWith('\n') ? lines.length - 1 : lines.length
  if (count > limits.fileLines) {
    report('file-length', 1, `${count} lines; a file has at most ${limits.fileLines}`)
  }
  lines.forEach((line, index) => {
    // The line that tells a system how to run the file cannot be broken.
    const columns = index === 0 && line.startsWith('#!') ? 0 : [...line].length
    if (columns > limits.lineColumns) {
      report(
        'line-length',
        index + 1,
        `${columns} columns; a line has at most ${limits.lineColumns}`,
      )
    }
    if (leftOpen.test(line)) report('left-open', index + 1, 'nothing is left open in the code')
    if (silenced.test(line)) report('silenced', index + 1, 'a check is mended, not silenced')
    if (machinePath.test(line)) report('machine-path', index + 1, 'names a path of one machine')
  })
  if (/^src\/[^/]+\/index\.ts$/.test(file) && !text.startsWith('/**')) {
    report('door-comment', 1, 'a door begins with a comment that says what the room is for')
  } else if (!isTest(file) && !/^(\/\*\*|\/\/|#!)/.test(text)) {
    report('purpose-comment', 1, 'a file begins with a comment that says what it is for')
  }
}

// The syntax tree.

/** What reaches around the arguments for time, randomness, output and surroundings. */
const ambientMembers: Readonly<Record<string, string>> = {
  'Date.now': 'take a Clock',
  'performance.now': 'take a Clock',
  'AbortSignal.timeout': 'take a Clock',
  'Math.random': 'take a Random',
  'process.env': 'surroundings are read in src/cli',
  'process.exit': 'only src/cli ends the process',
  'process.exitCode': 'only src/cli ends the process',
}
const ambientCalls: Readonly<Record<string, string>> = {
  setTimeout: 'take a Clock',
  setInterval: 'take a Clock',
}
const ambientModules = /^(node:)?timers(\/promises)?$/
/** Composition roots, and programs that people run: there the surroundings are the subject. */
const ambientAllowed = /^(src\/cli|bench|tools)\/|^(bin|\.)/
const testFile = /\.(test|contract|fixture)\.ts$/
const testCalls = new Set(['test', 'it', 'describe', 'suite'])

function isTest(file: string): boolean {
  return testFile.test(file)
}

function checkSyntaxTree(file: string, text: string, report: Report): void {
  // The added `;` is the first node: its start is where swc began to count, in bytes.
  const options = { syntax: file.endsWith('.ts') ? 'typescript' : 'ecmascript', target: 'es2024' }
  const tree = parseSync(
    `;${text.replace(/^#!/, '//')}`,
    options as Parameters<typeof parseSync>[1],
  )
  const first = (tree.body[0]?.span.start ?? 0) + 1
  const lineAt = lineFinder(text)
  const line = (node: SyntaxNode) => lineAt((node.span?.start ?? first) - first)
  const lastLine = (node: SyntaxNode) => lineAt((node.span?.end ?? first) - first - 1)
  const isAmbientAllowed = ambientAllowed.test(file)
  visit(tree as unknown as SyntaxNode, (node, parents) => {
    checkFunction(node, parents, { report, line, lastLine, suite: isTest(file) })
    checkTypes(node, report, line(node))
    checkLeftOut(node, report, line(node))
    if (isShipped(file)) checkClosure(node, report, line(node))
    if (!isAmbientAllowed) checkAmbient(node, parents, (why) => report('ambient', line(node), why))
  })
}

interface FunctionCheck {
  readonly report: Report
  readonly line: (node: SyntaxNode) => number
  readonly lastLine: (node: SyntaxNode) => number
  readonly suite: boolean
}

const functionTypes = new Set([
  'FunctionDeclaration',
  'FunctionExpression',
  'ArrowFunctionExpression',
  'ClassMethod',
  'PrivateMethod',
  'Constructor',
  'MethodProperty',
  'TsMethodSignature',
])

function checkFunction(
  node: SyntaxNode,
  parents: readonly SyntaxNode[],
  check: FunctionCheck,
): void {
  if (!functionTypes.has(node.type)) return
  const length = check.lastLine(node) - check.line(node) + 1
  // A suite is a list of tests, each of them short.
  const isSuite = check.suite && length > limits.functionLines && holdsTests(node)
  if (length > limits.functionLines && !isSuite) {
    const message = `${length} lines; a function has at most ${limits.functionLines}`
    check.report('function-length', check.line(node), message)
  }
  // What a callback receives is decided by its caller.
  const isCallback = parents.at(-1)?.type === 'CallExpression'
  const count = parametersOf(node).filter((parameter) => nameOf(parameter) !== 'this').length
  if (count > limits.positionalParameters && !isCallback) {
    const most = `a function has at most ${limits.positionalParameters}`
    check.report('parameters', check.line(node), `${count} positional parameters; ${most}`)
  }
}

function parametersOf(node: SyntaxNode): readonly SyntaxNode[] {
  const holder = (node['function'] ?? node) as Readonly<Record<string, unknown>>
  const found = holder['params'] ?? holder['parameters']
  return Array.isArray(found) ? found.filter(isNode) : []
}

function nameOf(parameter: SyntaxNode): unknown {
  const pattern = isNode(parameter['pat']) ? parameter['pat'] : parameter
  return pattern['value']
}

function holdsTests(node: SyntaxNode): boolean {
  let found = false
  visit(node, (inner) => {
    if (inner.type === 'CallExpression' && isNode(inner['callee'])) {
      found ||= testCalls.has(String(dottedName(inner['callee'])).split('.')[0] ?? '')
    }
  })
  return found
}

function checkTypes(node: SyntaxNode, report: Report, line: number): void {
  if (node.type === 'TsKeywordType' && node['kind'] === 'any') {
    report('any', line, 'unknown says the same and is checked')
  }
  if (node.type === 'TsInterfaceDeclaration' && isNode(node['id'])) {
    if (/^I[A-Z][a-z]/.test(String(node['id']['value']))) {
      report('interface-prefix', line, 'interfaces have plain names, without a prefix')
    }
  }
}

function isShipped(file: string): boolean {
  return file.startsWith('src/') && !isTest(file)
}

/** V8 takes such a closure for a method, and keeps it and all that it sees as long as one. */
function checkClosure(node: SyntaxNode, report: Report, line: number): void {
  const { left, right } = node
  if (node.type !== 'AssignmentExpression' || !isNode(left) || !isNode(right)) return
  const isClosure = /^(Arrow)?FunctionExpression$/.test(right.type)
  if (!isClosure || left.type !== 'MemberExpression') return
  report('old-closure', line, 'name a closure before it is assigned to a property: it dies sooner')
}

function checkLeftOut(node: SyntaxNode, report: Report, line: number): void {
  if (node.type !== 'MemberExpression') return
  const [object = '', property = ''] = String(dottedName(node)).split('.')
  if (testCalls.has(object) && ['only', 'skip', 'todo'].includes(property)) {
    report('test-left-out', line, `${object}.${property} leaves tests out`)
  }
}

function checkAmbient(
  node: SyntaxNode,
  parents: readonly SyntaxNode[],
  report: (why: string) => void,
): void {
  if (node.type === 'MemberExpression') {
    const name = String(dottedName(node))
    const why = ambientMembers[name.replace(/^globalThis\./, '')]
    if (why !== undefined) report(`${name}: ${why}`)
    if (name.startsWith('console.')) report(`${name}: take a Log`)
  }
  if (node.type === 'CallExpression' && isNode(node['callee'])) {
    const name = String(dottedName(node['callee'])).replace(/^globalThis\./, '')
    const why = ambientCalls[name]
    if (why !== undefined) report(`${name}: ${why}`)
  }
  if (node.type === 'NewExpression' && isNode(node['callee'])) {
    const args = node['arguments']
    const isBare = dottedName(node['callee']) === 'Date' && Array.isArray(args) && args.length === 0
    if (isBare) report('new Date(): take a Clock')
  }
  if (node.type === 'StringLiteral' && parents.at(-1)?.type === 'ImportDeclaration') {
    if (ambientModules.test(String(node['value']))) report(`${node['value']}: take a Clock`)
  }
}

/** `a.b.c` for plain member expressions; undefined where a part is computed. */
function dottedName(node: SyntaxNode): string | undefined {
  if (node.type === 'Identifier') return String(node['value'])
  if (node.type !== 'MemberExpression') return undefined
  const { object, property } = node
  if (!isNode(object) || !isNode(property) || property.type !== 'Identifier') return undefined
  const left = dottedName(object)
  return left === undefined ? undefined : `${left}.${property['value']}`
}

function isNode(value: unknown): value is SyntaxNode {
  return typeof value === 'object' && value !== null && 'type' in value
}

type Visitor = (node: SyntaxNode, parents: readonly SyntaxNode[]) => void

/** Every node, parents first. Arguments of a call have the call itself as their parent. */
function visit(root: SyntaxNode, visitor: Visitor): void {
  const parents: SyntaxNode[] = []
  const walk = (value: unknown): void => {
    if (Array.isArray(value)) for (const item of value) walk(item)
    else if (isNode(value)) {
      visitor(value, parents)
      parents.push(value)
      for (const child of Object.values(value)) if (typeof child === 'object') walk(child)
      parents.pop()
    } else if (typeof value === 'object' && value !== null) {
      for (const child of Object.values(value)) if (typeof child === 'object') walk(child)
    }
  }
  walk(root)
}

/** Byte offset → line number, from 1. */
function lineFinder(text: string): (offset: number) => number {
  const bytes = Buffer.from(text)
  const starts = [0]
  for (let at = bytes.indexOf(10); at !== -1; at = bytes.indexOf(10, at + 1)) starts.push(at + 1)
  return (offset) => {
    let low = 0
    let high = starts.length
    while (high - low > 1) {
      const middle = (low + high) >> 1
      if ((starts[middle] ?? 0) <= offset) low = middle
      else high = middle
    }
    return low + 1
  }
}
