/**
 * The one table of metrics. `docs/metrics.md` is held to it by a test.
 *
 * Where OpenTelemetry's conventions for generative AI have a metric, it has that name in Prometheus
 * spelling. Labels that come from clients (model names) are capped by whoever observes; see
 * `labelValuesMax`.
 */
export interface MetricDefinition {
  readonly name: string
  readonly type: 'counter' | 'gauge' | 'histogram'
  readonly help: string
  readonly labels: readonly string[]
  readonly buckets?: readonly number[]
}

/** Values of one label before the rest is counted as `other`. llm-d's router has the same bound. */
export const labelValuesMax = 1000

/** As OpenTelemetry advises for `gen_ai.server.request.duration`. */
const durationBuckets = [
  0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92,
]
/** As OpenTelemetry advises for `gen_ai.server.time_to_first_token`. */
const firstTokenBuckets = [
  0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10,
]
/** As OpenTelemetry advises for `gen_ai.server.time_per_output_token`. */
const perTokenBuckets = [0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5]
/** As OpenTelemetry advises for `gen_ai.client.token.usage`. */
const tokenBuckets = [
  1, 4, 16, 64, 256, 1024, 4096, 16_384, 65_536, 262_144, 1_048_576, 4_194_304, 16_777_216,
  67_108_864,
]
/** From one decision among few workers to one among thousands. */
const decisionBuckets = [
  0.00001, 0.000025, 0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.1,
]

const operation = 'gen_ai_operation_name'
const model = 'gen_ai_request_model'

export const metrics = {
  requestDuration: {
    name: 'gen_ai_server_request_duration_seconds',
    type: 'histogram',
    help: 'From the arrival of a request to the end of its answer; with a code if it failed.',
    labels: [operation, model, 'error_type'],
    buckets: durationBuckets,
  },
  timeToFirstToken: {
    name: 'gen_ai_server_time_to_first_token_seconds',
    type: 'histogram',
    help: 'From the arrival of a request to the first token of its answer.',
    labels: [operation, model],
    buckets: firstTokenBuckets,
  },
  timePerOutputToken: {
    name: 'gen_ai_server_time_per_output_token_seconds',
    type: 'histogram',
    help: 'Mean time per further token of an answer that was completed.',
    labels: [operation, model],
    buckets: perTokenBuckets,
  },
  tokenUsage: {
    name: 'gen_ai_client_token_usage',
    type: 'histogram',
    help: 'Tokens per answered request, of the prompt (input) and of the answer (output).',
    labels: [operation, model, 'gen_ai_token_type'],
    buckets: tokenBuckets,
  },
  httpRequests: {
    name: 'isochrone_http_requests_total',
    type: 'counter',
    help: 'HTTP requests by route and status; a stream counts with the status it began with.',
    labels: ['route', 'status'],
  },
  requestsInFlight: {
    name: 'isochrone_requests_in_flight',
    type: 'gauge',
    help: 'Inference requests under way in this gateway.',
    labels: [],
  },
  refusals: {
    name: 'isochrone_admission_refusals_total',
    type: 'counter',
    help: 'Requests refused on admission, by error code.',
    labels: ['code'],
  },
  decisions: {
    name: 'isochrone_decisions_total',
    type: 'counter',
    help: 'Routing decisions by outcome: chosen, busy, none.',
    labels: ['outcome'],
  },
  decisionDuration: {
    name: 'isochrone_decision_duration_seconds',
    type: 'histogram',
    help: 'Time to make one routing decision, with the snapshot of the candidates.',
    labels: [],
    buckets: decisionBuckets,
  },
  policies: {
    name: 'isochrone_policies_total',
    type: 'counter',
    help: 'Policies that were to take another one’s place, by result: followed, refused.',
    labels: ['result'],
  },
  attempts: {
    name: 'isochrone_attempts_total',
    type: 'counter',
    help: 'Attempts at workers by error code and outcome: completed, failed, abandoned, cancelled.',
    labels: ['outcome', 'code'],
  },
  retries: {
    name: 'isochrone_retries_total',
    type: 'counter',
    help: 'Attempts that followed a failed one for the same request.',
    labels: [],
  },
  continuationPause: {
    name: 'isochrone_continuation_pause_seconds',
    type: 'histogram',
    help: 'Pauses of answers that another worker went on with, by length.',
    labels: [],
    buckets: durationBuckets,
  },
  roomWaits: {
    name: 'isochrone_room_waits_total',
    type: 'counter',
    help: 'Requests that waited because all were busy: served, or none had room in time.',
    labels: ['result'],
  },
  hedges: {
    name: 'isochrone_hedges_total',
    type: 'counter',
    help: 'Second attempts at late first tokens, by what came of it: won, lost, failed, refused.',
    labels: ['result'],
  },
  migrations: {
    name: 'isochrone_migrations_total',
    type: 'counter',
    help: 'Live answers moved to another worker, by why: draining, suspected, slow.',
    labels: ['reason'],
  },
  breakers: {
    name: 'isochrone_breakers',
    type: 'gauge',
    help: 'Circuit breakers of workers and models that are not closed, by state.',
    labels: ['state'],
  },
  breakerOpenings: {
    name: 'isochrone_breaker_openings_total',
    type: 'counter',
    help: 'How often a circuit breaker opened.',
    labels: [],
  },
  workers: {
    name: 'isochrone_workers',
    type: 'gauge',
    help: 'Known workers by state: connected, disconnected.',
    labels: ['state'],
  },
  joins: {
    name: 'isochrone_joins_total',
    type: 'counter',
    help: 'Attempts of nodes to join, by result: accepted or the error code.',
    labels: ['result'],
  },
  latencyPairs: {
    name: 'isochrone_latency_map_pairs',
    type: 'gauge',
    help: 'Pairs of cells of the earth between which round trips are known, of all resolutions.',
    labels: [],
  },
  impossibleRoundTrips: {
    name: 'isochrone_impossible_round_trips_total',
    type: 'counter',
    help: 'Looks at links whose round trip light in fibre forbids; not learned.',
    labels: [],
  },
  locations: {
    name: 'isochrone_declared_locations',
    type: 'gauge',
    help: 'Declared locations, this gateway’s own included, by what round trips say of them.',
    labels: ['status'],
  },
  federationNodes: {
    name: 'isochrone_federation_nodes',
    type: 'gauge',
    help: 'Nodes that the clusters’ digests tell of, by state.',
    labels: ['state'],
  },
  federationLies: {
    name: 'isochrone_federation_lies_total',
    type: 'counter',
    help: 'What was found to be untrue in what peers told of load, by kind.',
    labels: ['kind'],
  },
  incidents: {
    name: 'isochrone_incidents',
    type: 'gauge',
    help: 'Incidents that this gateway keeps, by what they are now.',
    labels: ['state'],
  },
  faults: {
    name: 'isochrone_worker_faults_total',
    type: 'counter',
    help: 'What broke the rules in what workers sent, by kind.',
    labels: ['kind'],
  },
  notices: {
    name: 'isochrone_notices_total',
    type: 'counter',
    help: 'What other gateways told of nodes, by what it came to.',
    labels: ['outcome'],
  },
  experiences: {
    name: 'isochrone_experiences_total',
    type: 'counter',
    help: 'What other gateways told of requests to nodes, by what it came to.',
    labels: ['outcome'],
  },
  rechecks: {
    name: 'isochrone_rechecks_total',
    type: 'counter',
    help: 'Nodes that were asked something because another gateway complains, by the answer.',
    labels: ['outcome'],
  },
  examinations: {
    name: 'isochrone_examinations_total',
    type: 'counter',
    help: 'What quarantined nodes stated, and answered, to work their quarantine off, by outcome.',
    labels: ['outcome'],
  },
  ledgerEntries: {
    name: 'isochrone_ledger_entries_total',
    type: 'counter',
    help: 'Answers of nodes noted in the ledger: owed, held or void as they came.',
    labels: ['state'],
  },
  ledgerDollars: {
    name: 'isochrone_ledger_dollars_total',
    type: 'counter',
    help: 'What these answers come to, by the prices of their nodes, held or not.',
    labels: [],
  },
  residentMemory: {
    name: 'process_resident_memory_bytes',
    type: 'gauge',
    help: 'Resident memory of the process.',
    labels: [],
  },
} as const satisfies Record<string, MetricDefinition>

export type MetricKey = keyof typeof metrics
