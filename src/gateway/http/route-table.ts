/** Which route answers a method at a path. */
import type { Schema } from '../../base/index.ts'
import type { IsochroneError } from '../../protocol/index.ts'
import type { Client } from './client.ts'

export type Method = 'GET' | 'POST'

export interface QueryParameter {
  readonly name: string
  readonly schema: Schema
  readonly description?: string
}

/** What the OpenAPI document says of a route. */
export interface RouteDocument {
  readonly summary: string
  readonly tag: 'inference' | 'information' | 'operation'
  readonly body?: Schema
  /** Of the answer with status 200; undefined: no JSON. */
  readonly answer?: Schema
  /** What the answer can be instead, by what the request asks for. */
  readonly otherTypes?: readonly string[]
  readonly errorStatuses?: readonly number[]
  readonly query?: readonly QueryParameter[]
}

export interface Route {
  readonly method: Method
  /** `:id` as its last part, or the one before it, stands for any one name. */
  readonly path: string
  /** Whoever reaches the port may ask: health and metrics. */
  readonly open?: boolean
  /**
   * Its answer may be long, or costs much to gather: it counts as one of the key's requests. Those
   * that go to nodes, and previews of them, are counted when their tokens are known.
   */
  readonly counts?: true
  /** What is wrong with a body; undefined: nothing. Routes without it take no body. */
  readonly check?: (body: unknown) => IsochroneError | undefined
  readonly document: RouteDocument
  /** Answers the client, or throws. The body passed `check`. */
  readonly handle: (client: Client, body: unknown) => Promise<void> | void
}

const idPart = '/:id'
/** No id of ours is longer; neither is a model's name. */
const idLengthMax = 256

export class RouteTable {
  readonly routes: readonly Route[]
  readonly #exact = new Map<string, Route[]>()
  /** By what stands before the id. */
  readonly #byId = new Map<string, Route[]>()
  /** Those with something behind the id, by what stands before it. */
  readonly #byIdAnd = new Map<string, Route[]>()

  constructor(routes: readonly Route[]) {
    this.routes = routes
    for (const route of routes) {
      const [key = '', tail] = route.path.split(idPart, 2)
      const table = tail === undefined ? this.#exact : tail === '' ? this.#byId : this.#byIdAnd
      table.set(key, [...(table.get(key) ?? []), route])
    }
  }

  /** What answers at a path, by any method; HEAD is answered as GET without a body. */
  at(path: string): readonly Route[] {
    const exact = this.#exact.get(path)
    if (exact !== undefined) return exact
    const end = path.lastIndexOf('/')
    const isId = end + 1 < path.length && path.length - end - 1 <= idLengthMax
    const byId = isId ? this.#byId.get(path.slice(0, end)) : undefined
    return byId ?? this.#atWithin(path, end)
  }

  /** @param end of the id */
  #atWithin(path: string, end: number): readonly Route[] {
    const start = path.lastIndexOf('/', end - 1)
    if (start < 0 || end - start < 2 || end - start - 1 > idLengthMax) return []
    const routes = this.#byIdAnd.get(path.slice(0, start)) ?? []
    return routes.filter((route) => route.path.endsWith(`${idPart}${path.slice(end)}`))
  }
}

/** Whether a part of the route's path stands for any one name. */
export function hasId(route: Pick<Route, 'path'>): boolean {
  return route.path.includes(idPart)
}

/** The part of a path that stands for `:id`; undefined where it is no valid encoding. */
export function idIn(path: string, route: Pick<Route, 'path'>): string | undefined {
  const [before = '', behind = ''] = route.path.split(idPart, 2)
  try {
    return decodeURIComponent(path.slice(before.length + 1, path.length - behind.length))
  } catch {
    return undefined
  }
}
