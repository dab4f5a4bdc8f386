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
  readonly errorStatuses?: readonly number[]
  readonly query?: readonly QueryParameter[]
}

export interface Route {
  readonly method: Method
  /** `:id` as its last part stands for any one name. */
  readonly path: string
  /** Whoever reaches the port may ask: health and metrics. */
  readonly open?: boolean
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

  constructor(routes: readonly Route[]) {
    this.routes = routes
    for (const route of routes) {
      const isById = route.path.endsWith(idPart)
      const table = isById ? this.#byId : this.#exact
      const key = isById ? route.path.slice(0, -idPart.length) : route.path
      table.set(key, [...(table.get(key) ?? []), route])
    }
  }

  /** What answers at a path, by any method; HEAD is answered as GET without a body. */
  at(path: string): readonly Route[] {
    const exact = this.#exact.get(path)
    if (exact !== undefined) return exact
    const end = path.lastIndexOf('/')
    const isId = end + 1 < path.length && path.length - end - 1 <= idLengthMax
    return (isId ? this.#byId.get(path.slice(0, end)) : undefined) ?? []
  }
}

/** The part of a path that stands for `:id`; undefined where it is no valid encoding. */
export function idIn(path: string): string | undefined {
  try {
    return decodeURIComponent(path.slice(path.lastIndexOf('/') + 1))
  } catch {
    return undefined
  }
}
