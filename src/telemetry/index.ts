/**
 * telemetry: what is counted and measured of the program itself.
 * The one table of metrics; whoever observes makes them from it.
 */
export { labelValuesMax, type MetricDefinition, type MetricKey, metrics } from './metrics.ts'
export { Counter, type Family, Histogram, Registry } from './registry.ts'
