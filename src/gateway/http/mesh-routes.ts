/** Who is in the mesh: the whole tree, and one cluster. */
import { json } from '../../base/index.ts'
import { IsochroneError, type NodeId } from '../../protocol/index.ts'
import type { MeshWatch, WatchedRegion } from '../workers/mesh-watch.ts'
import { jsonType } from './client.ts'
import { clusterAnswer, meshAnswer } from './mesh-schemas.ts'
import { Query } from './query.ts'
import type { Route } from './route-table.ts'
import { snakeCased } from './snake-case.ts'

/** Some 300 bytes each: 3 MB. */
const membersMax = 9_999
const membersDefault = 1_000

export interface MeshRouteModules {
  readonly gateway: NodeId
  readonly mesh: MeshWatch
}

export function meshRoutes({ gateway, mesh }: MeshRouteModules): readonly Route[] {
  return [
    {
      method: 'GET',
      path: '/v1/mesh',
      counts: true,
      document: {
        tag: 'information',
        summary: 'The mesh as this gateway sees it: regions, clusters, members, their load.',
        answer: meshAnswer,
        errorStatuses: [400, 401, 429],
        query: [
          {
            name: 'limit',
            schema: json.string({ pattern: '^[0-9]{1,4}$' }),
            description: 'How many members at most.',
          },
        ],
      },
      handle(client) {
        const asked = new Query(client.url).number('limit') ?? membersDefault
        const { members, omitted, regions } = cut(mesh.regions(), Math.min(asked, membersMax))
        const answer = { object: 'mesh', gateway, members, omitted, regions }
        client.send(200, jsonType, JSON.stringify(snakeCased(answer)))
      },
    },
    {
      method: 'GET',
      path: '/v1/clusters/:id',
      document: {
        tag: 'information',
        summary: 'One cluster.',
        answer: clusterAnswer,
        errorStatuses: [401, 404],
      },
      handle(client) {
        const cluster = mesh.cluster(client.id)
        if (cluster === undefined) {
          throw new IsochroneError(
            'not_found',
            'No cluster of this id is known to this gateway; GET /v1/mesh has those that are.',
          )
        }
        const answer = { object: 'cluster', ...cluster }
        client.send(200, jsonType, JSON.stringify(snakeCased(answer)))
      },
    },
  ]
}

interface CutMesh {
  readonly members: number
  readonly omitted: number
  readonly regions: readonly WatchedRegion[]
}

/** Clusters are all named; of members as many as there is room for. */
function cut(regions: readonly WatchedRegion[], limit: number): CutMesh {
  let members = 0
  let left = limit
  const shown = regions.map(({ name, clusters }) => ({
    name,
    clusters: clusters.map((cluster) => {
      const some = cluster.members.slice(0, Math.max(0, left))
      members += cluster.members.length
      left -= some.length
      return { ...cluster, members: some }
    }),
  }))
  return { members, omitted: Math.max(0, members - limit), regions: shown }
}
