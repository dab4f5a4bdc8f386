/** docs/metrics.md, from the one table of metrics. */
import { labelValuesMax, type MetricDefinition, metrics } from '../../src/telemetry/index.ts'
import { code, markdownTable, page } from './markdown.ts'

export function metricsPage(): string {
  const rows = Object.values<MetricDefinition>(metrics).map(({ name, type, labels, help }) => [
    code(name),
    type,
    labels.map(code).join(', ') || '–',
    help,
  ])
  return page('Metrics', [
    `The gateway serves these at \`GET /metrics\` for Prometheus, without an API key. Names that
begin with \`gen_ai_\` are those of OpenTelemetry's conventions for generative AI.`,
    `A label has at most ${labelValuesMax} values; what comes after them is counted as \`other\`.`,
    markdownTable(['name', 'type', 'labels', 'what it counts'], rows),
  ])
}
