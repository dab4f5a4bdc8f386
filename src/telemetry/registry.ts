/**
 * Metrics as Prometheus reads them. A request touches about ten of them, so noting a value is a
 * look-up and an addition; all work on texts waits until somebody asks.
 *
 * Source: Prometheus’ text format, version 0.0.4
 * (https://prometheus.io/docs/instrumenting/exposition_formats/).
 */
import { assert } from '../base/index.ts'
import type { MetricDefinition } from './metrics.ts'

/** One counter: it only grows. */
export class Counter {
  value = 0

  add(amount = 1): void {
    this.value += amount
  }
}

/** One distribution, in buckets. */
export class Histogram {
  readonly bounds: readonly number[]
  /** How many values lie at or below each bound, and above the one before; the rest come last. */
  readonly counts: Float64Array
  sum = 0

  constructor(bounds: readonly number[]) {
    this.bounds = bounds
    this.counts = new Float64Array(bounds.length + 1)
  }

  observe(value: number): void {
    let bucket = 0
    while (bucket < this.bounds.length && value > (this.bounds[bucket] ?? Infinity)) bucket += 1
    this.counts[bucket] = (this.counts[bucket] ?? 0) + 1
    this.sum += value
  }
}

/** Everything of one name: a series for each combination of its labels' values. */
export interface Family<Series> {
  /** @param values one for each label, in the definition's order; empty: without this label */
  of(...values: readonly string[]): Series
}

export class Registry {
  readonly contentType = 'text/plain; version=0.0.4; charset=utf-8'
  readonly #writers: (() => readonly string[])[] = []

  counters(definition: MetricDefinition): Family<Counter> {
    const series = new SeriesTree(definition, () => new Counter())
    this.#register(definition, (lines) => {
      for (const [labels, { value }] of series) lines.sample('', labels, value)
    })
    return series
  }

  histograms(definition: MetricDefinition): Family<Histogram> {
    const bounds = definition.buckets ?? []
    const series = new SeriesTree(definition, () => new Histogram(bounds))
    this.#register(definition, (lines) => {
      for (const [labels, histogram] of series) writeHistogram(lines, labels, histogram)
    })
    return series
  }

  /**
   * A gauge, or a counter that is kept elsewhere.
   * @param read its values now, each with those of its labels
   */
  reading(definition: MetricDefinition, read: () => Iterable<readonly [string[], number]>): void {
    this.#register(definition, (lines) => {
      for (const [labels, value] of read()) lines.sample('', labels, value)
    })
  }

  render(): string {
    return `${this.#writers.map((write) => write().join('\n')).join('\n\n')}\n`
  }

  #register(definition: MetricDefinition, write: (lines: Lines) => void): void {
    this.#writers.push(() => {
      const lines = new Lines(definition)
      write(lines)
      return lines.all
    })
  }
}

type Node<Series> = Map<string, Node<Series>> | Series

class SeriesTree<Series extends object> implements Family<Series> {
  readonly #definition: MetricDefinition
  readonly #make: () => Series
  #root: Node<Series>

  constructor(definition: MetricDefinition, make: () => Series) {
    this.#definition = definition
    this.#make = make
    // A metric without labels is there from the start, at zero.
    this.#root = definition.labels.length === 0 ? make() : new Map()
  }

  of(...values: readonly string[]): Series {
    this.#check(values.length)
    let node = this.#root
    for (let depth = 0; depth < values.length; depth += 1) {
      const value = values[depth] ?? ''
      const level = node as Map<string, Node<Series>>
      let next = level.get(value)
      if (next === undefined) {
        next = depth === values.length - 1 ? this.#make() : new Map<string, Node<Series>>()
        level.set(value, next)
      }
      node = next
    }
    return node as Series
  }

  /** Apart: the words are made only for a fault. */
  #check(values: number): void {
    const { labels, name } = this.#definition
    if (values !== labels.length) assert(false, `${name} has the labels ${labels.join(', ')}`)
  }

  *[Symbol.iterator](): Generator<readonly [string[], Series]> {
    yield* this.#below(this.#root, [])
  }

  *#below(node: Node<Series>, labels: string[]): Generator<readonly [string[], Series]> {
    if (labels.length === this.#definition.labels.length) yield [labels, node as Series]
    else {
      for (const [value, next] of node as Map<string, Node<Series>>) {
        yield* this.#below(next, [...labels, value])
      }
    }
  }
}

function writeHistogram(lines: Lines, labels: string[], { bounds, counts, sum }: Histogram): void {
  let count = 0
  for (let bucket = 0; bucket < counts.length; bucket += 1) {
    count += counts[bucket] ?? 0
    lines.bucket(bounds[bucket] ?? Infinity, labels, count)
  }
  lines.sample('_sum', labels, sum)
  lines.sample('_count', labels, count)
}

class Lines {
  readonly all: string[]
  readonly #definition: MetricDefinition

  constructor(definition: MetricDefinition) {
    const { name, help, type } = definition
    this.#definition = definition
    const text = help.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')
    this.all = [`# HELP ${name} ${text}`, `# TYPE ${name} ${type}`]
  }

  /** @param values of the labels, in the definition's order; an empty one is left out */
  sample(suffix: string, values: readonly string[], value: number): void {
    this.#add(suffix, this.#pairs(values), value)
  }

  bucket(bound: number, values: readonly string[], count: number): void {
    this.#add('_bucket', [`le="${valueText(bound)}"`, ...this.#pairs(values)], count)
  }

  #pairs(values: readonly string[]): string[] {
    return this.#definition.labels.flatMap((label, at) => {
      const text = values[at] ?? ''
      return text === '' ? [] : [`${label}="${escaped(text)}"`]
    })
  }

  #add(suffix: string, pairs: readonly string[], value: number): void {
    const braces = pairs.length === 0 ? '' : `{${pairs.join(',')}}`
    this.all.push(`${this.#definition.name}${suffix}${braces} ${valueText(value)}`)
  }
}

function escaped(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n').replaceAll('"', '\\"')
}

function valueText(value: number): string {
  if (value === Infinity) return '+Inf'
  if (value === -Infinity) return '-Inf'
  return Number.isNaN(value) ? 'Nan' : String(value)
}
