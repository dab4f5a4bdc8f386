/** The schemas of `GET /v1/mesh` and `GET /v1/clusters/ID`. */
import { json } from '../../base/index.ts'

const text = json.string()
const number = json.number()
const count = json.integer({ minimum: 0 })
const { nullable } = json

const member = json.object(
  {
    id: text,
    role: json.enum(['node', 'gateway']),
    state: json.enum(['alive', 'late', 'suspect', 'dead', 'left']),
    region: text,
    cluster: nullable(text),
    health: nullable(json.enum(['good', 'degraded', 'draining'])),
    round_trip_ms: nullable(number),
    round_trip_source: nullable(json.enum(['measured', 'predicted'])),
    load: nullable(json.object({ running: count, waiting: count, kv_tokens_free: count })),
    slots: nullable(count),
    tokens_per_second: nullable(number),
    age_ms: nullable(count),
  },
  {
    description:
      'A member of the mesh. `age_ms` is how long ago it said its load; null for what this ' +
      'gateway hears on a connection of its own.',
  },
)

const clusterFields = {
  id: nullable(text),
  coordinators: json.array(text),
  members: json.array(member),
}

export const meshAnswer = json.object(
  {
    object: json.literal('mesh'),
    gateway: text,
    members: count,
    omitted: count,
    regions: json.array(
      json.object({ name: text, clusters: json.array(json.object(clusterFields)) }),
    ),
  },
  {
    description:
      'Regions, clusters and members. Where there are more members than `limit`, the rest are ' +
      'only counted, as `omitted`; GET /v1/clusters/ID has all of a cluster.',
  },
)

export const clusterAnswer = json.object(
  { object: json.literal('cluster'), region: text, ...clusterFields },
  { description: 'A cluster: nodes within a bound of round trips of each other.' },
)
