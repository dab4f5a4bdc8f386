/**
 * What lies where in a data folder.
 *
 * ```
 * models/                 the store, shared by every node of the folder
 * gateway/                identity.pem, api-keys.json, join-token, mesh-port, mesh-view.json,
 *                         latency-map.json, records.sqlite
 * node/, node-1/, …       identity.pem, known-gateways.json, mesh-view.json
 * logs/                   of the processes that `start` runs
 * address, local-key      where the gateway is, and a key for this machine's own commands
 * last-decision           of the last `chat`
 * added-node.yaml         where a node that is added by hand is in the emulated wide area
 * machine.json, measuring what the machine can do, and whose turn it is to measure that
 * lock, owner             one process at a time; gateway/ and the nodes' folders have them too
 * .gitignore              leaves all of it out
 * ```
 */
import { resolve } from 'node:path'

export interface DataFolder {
  readonly root: string
  readonly store: string
  readonly gateway: string
  readonly apiKeys: string
  readonly joinToken: string
  readonly meshPort: string
  readonly records: string
  readonly logs: string
  readonly address: string
  readonly localKey: string
  readonly lastDecision: string
  readonly addedNode: string
  node(name: string): string
}

export function dataFolder(data: string, from: string): DataFolder {
  const root = resolve(from, data)
  return {
    root,
    store: resolve(root, 'models'),
    gateway: resolve(root, 'gateway'),
    apiKeys: resolve(root, 'gateway', 'api-keys.json'),
    joinToken: resolve(root, 'gateway', 'join-token'),
    meshPort: resolve(root, 'gateway', 'mesh-port'),
    records: resolve(root, 'gateway', 'records.sqlite'),
    logs: resolve(root, 'logs'),
    address: resolve(root, 'address'),
    localKey: resolve(root, 'local-key'),
    lastDecision: resolve(root, 'last-decision'),
    addedNode: resolve(root, 'added-node.yaml'),
    node: (name) => resolve(root, name),
  }
}
