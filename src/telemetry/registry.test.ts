/** The text is held to that of prom-client, the client library of Prometheus for Node.js. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import * as prometheus from 'prom-client'
import { type MetricDefinition, metrics } from './metrics.ts'
import { Registry } from './registry.ts'

const requests: MetricDefinition = {
  name: 'requests_total',
  type: 'counter',
  help: 'How many.',
  labels: ['route', 'status'],
}
const duration: MetricDefinition = {
  name: 'duration_seconds',
  type: 'histogram',
  help: 'How long, with a \\ and\na second line.',
  labels: ['model'],
  buckets: [0.1, 1, 2.5],
}
const load: MetricDefinition = { name: 'load', type: 'gauge', help: 'Now.', labels: ['state'] }

/** The same, observed by prom-client. */
function theirs({ name, help, labels, buckets = [] }: MetricDefinition) {
  const registry = new prometheus.Registry()
  const common = { name, help, labelNames: [...labels], registers: [registry] }
  return {
    counter: () => new prometheus.Counter(common),
    histogram: () => new prometheus.Histogram({ ...common, buckets: [...buckets] }),
    gauge: () => new prometheus.Gauge(common),
    text: () => registry.metrics(),
  }
}

/** Every kind of text that a label can have; an empty one is as good as none. */
const label = fc.string({ unit: 'binary', minLength: 1, maxLength: 12 })
/** The other library's histograms refuse what is infinite; gauges are tried with it below. */
const value = fc.oneof(
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.constantFrom(0, 0.1, 1, 2.5, 1e21, -1),
)

test('counters are written as prom-client writes them', async () => {
  const seen = fc.array(fc.tuple(label, label, fc.double({ min: 0, max: 1e6, noNaN: true })))
  await fc.assert(
    fc.asyncProperty(seen, async (additions) => {
      const registry = new Registry()
      const ours = registry.counters(requests)
      const other = theirs(requests)
      const counter = other.counter()
      for (const [route, status, amount] of additions) {
        ours.of(route, status).add(amount)
        counter.inc({ route, status }, amount)
      }
      assert.deepEqual(linesOf(registry.render()), linesOf(await other.text()))
    }),
    { numRuns: 200 },
  )
})

test('histograms are written as prom-client writes them', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(label, value)), async (observations) => {
      const registry = new Registry()
      const ours = registry.histograms(duration)
      const other = theirs(duration)
      const histogram = other.histogram()
      for (const [model, one] of observations) {
        ours.of(model).observe(one)
        histogram.observe({ model }, one)
      }
      assert.deepEqual(linesOf(registry.render()), linesOf(await other.text()))
    }),
    { numRuns: 200 },
  )
})

test('gauges are read when somebody asks, and written as prom-client writes them', async () => {
  const registry = new Registry()
  let now = 1
  registry.reading(load, () => [[['busy'], now]])
  const other = theirs(load)
  const gauge = other.gauge()
  for (const one of [1, 0.5, -3, Number.MAX_VALUE, Infinity, -Infinity, Number.NaN]) {
    now = one
    gauge.set({ state: 'busy' }, one)
    assert.equal(registry.render(), await other.text())
  }
})

test('a counter that is kept elsewhere is read when somebody asks', () => {
  const registry = new Registry()
  let count = 1
  registry.reading({ ...requests, labels: [] }, () => [[[], count]])
  assert.match(registry.render(), /^# TYPE requests_total counter\nrequests_total 1$/m)
  count = 2
  assert.match(registry.render(), /^requests_total 2$/m)
})

test('counters, and nothing else, are named as Prometheus advises: with _total at the end', () => {
  for (const { name, type } of Object.values(metrics)) {
    assert.equal(name.endsWith('_total'), type === 'counter', name)
  }
})

test('a metric without labels is there from the start; an empty label is left out', () => {
  const registry = new Registry()
  registry.counters({ ...requests, labels: [] })
  assert.match(registry.render(), /^requests_total 0$/m)
  const some = new Registry()
  some.counters(requests).of('/v1', '').add()
  assert.match(some.render(), /^requests_total\{route="\/v1"\} 1$/m)
})

test('a metric that is given other labels than its own is a fault of the program', () => {
  const counters = new Registry().counters(requests)
  assert.throws(() => counters.of('/v1'), /requests_total has the labels route, status/)
})

/** Series in the order of their first values: prom-client keeps them so, ours by label. */
function linesOf(text: string): readonly string[] {
  return text.split('\n').sort()
}
