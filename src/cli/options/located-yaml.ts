/**
 * YAML whose every part knows its line and column, and values in it by the tables of options that
 * flags and variables have as well.
 */
import { createRequire } from 'node:module'
import type { Node, Scalar, YAMLMap, YAMLSeq } from 'yaml'
import { FaultList } from './fault-list.ts'
import { checkNumber, type OptionDefinition, type OptionValue, parseValue } from './option.ts'
import { usageError } from './usage-error.ts'

export interface YamlText {
  /** As the person knows it, for messages. */
  readonly file: string
  readonly text: string
}

export type { Node }

const require = createRequire(import.meta.url)

/** Loaded with the first file: most processes read none, and its 72 modules take some megabytes. */
function yamlLibrary(): typeof import('yaml') {
  return require('yaml') as typeof import('yaml')
}

export function isScalar(node: unknown): node is Scalar {
  return yamlLibrary().isScalar(node)
}

function isMap(node: unknown): node is YAMLMap {
  return yamlLibrary().isMap(node)
}

function isSeq(node: unknown): node is YAMLSeq {
  return yamlLibrary().isSeq(node)
}

export interface LocatedYaml {
  readonly root: Node | null
  readonly where: (node: Node) => string
}

/** A line `key: value`. */
export interface Entry {
  readonly key: string
  /** File, line and column of the key. */
  readonly where: string
  readonly value: Node | null
}

/** Larger files are no configuration; also bounds YAML's aliases. */
export const yamlBytesMax = 1024 * 1024

/** @throws IsochroneError `invalid_configuration` */
export function parseYaml({ file, text }: YamlText): LocatedYaml {
  if (text.length > yamlBytesMax) throw usageError(`${file} is larger than ${yamlBytesMax} bytes`)
  const { LineCounter, parseDocument } = yamlLibrary()
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false })
  const at = (offset: number) => {
    const { line, col } = lines.linePos(offset)
    return `${file}:${line}:${col}`
  }
  const faults = new FaultList(file)
  for (const { message, pos } of document.errors) faults.note(`${at(pos[0])}: ${message}`)
  faults.throwAny()
  return { root: document.contents, where: (node) => at(node.range?.[0] ?? 0) }
}

/** Nothing at all is an empty map. */
export function entriesOf(node: Node | null, { where }: LocatedYaml): readonly Entry[] {
  if (node === null || (isScalar(node) && node.value === null)) return []
  if (!isMap(node)) throw usageError(`${where(node)}: must be a map of "key: value" lines`)
  return node.items.map((pair) => {
    const keyNode = pair.key as Node
    const at = where(keyNode)
    if (!isScalar(keyNode)) throw usageError(`${at}: keys must be plain words`)
    return { key: String(keyNode.value), where: at, value: pair.value as Node | null }
  })
}

/** The value of an entry, as its option has it. */
export function readValue(option: OptionDefinition, entry: Entry, yaml: LocatedYaml): OptionValue {
  const parsed = parseNode(option, entry.value)
  if ('fault' in parsed) throw usageError(`${placeOf(entry, yaml)}: "${entry.key}" ${parsed.fault}`)
  return parsed.value
}

/** Where the value is, or else its key. */
export function placeOf(entry: Entry, { where }: LocatedYaml): string {
  return entry.value === null ? entry.where : where(entry.value)
}

function parseNode(
  option: OptionDefinition,
  node: Node | null,
): { readonly value: OptionValue } | { readonly fault: string } {
  if (option.kind === 'list' && isSeq(node)) {
    const items = node.items.map((item) => (isScalar(item) ? item.value : undefined))
    if (items.every((item) => typeof item === 'string' && item !== '')) {
      return { value: items as readonly string[] }
    }
    return { fault: 'must be a list of texts' }
  }
  if (!isScalar(node) || node.value === null) {
    return { fault: `must be ${kindInWords(option)}` }
  }
  const { value } = node
  if (option.kind === 'flag') {
    return typeof value === 'boolean' ? { value } : { fault: 'must be true or false' }
  }
  if (option.kind === 'integer' || option.kind === 'number') {
    if (typeof value !== 'number') return { fault: `must be ${kindInWords(option)}` }
    return checkNumber(option, value, String(value))
  }
  if (typeof value === 'string') return parseValue(option, value)
  // A text that looks like a number, for example a token of digits: as it is written.
  return parseValue(option, node.source ?? String(value))
}

function kindInWords(option: OptionDefinition): string {
  const words = {
    text: 'a text',
    list: 'a list of texts',
    integer: 'a whole number',
    number: 'a number',
    flag: 'true or false',
  }
  return words[option.kind]
}
