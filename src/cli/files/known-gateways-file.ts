/** Which key each gateway had when this node first met it: one JSON file in the node's folder. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { KnownGateways } from '../../node/index.ts'
import { IsochroneError, isNodeId, type NodeId } from '../../protocol/index.ts'
import { writeFileAtomically } from './atomic-file.ts'

/** A node joins a handful; more is no file of ours. */
const gatewaysMax = 1000

/** @throws IsochroneError `storage_failed` when the file is there but is not ours */
export function openKnownGateways(folder: string): KnownGateways {
  const file = join(folder, 'known-gateways.json')
  let known = read(file)
  return {
    get: (address) => known.get(address),
    put(address, id) {
      const next = new Map(known).set(address, id)
      writeFileAtomically(file, `${JSON.stringify(Object.fromEntries(next), null, 2)}\n`, 0o600)
      // What is not in the file must not look remembered: nobody would write it again.
      known = next
    },
  }
}

function read(file: string): Map<string, NodeId> {
  let content: unknown
  try {
    content = JSON.parse(readFileSync(file, 'utf8'))
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return new Map()
    throw damaged(file, cause)
  }
  if (typeof content !== 'object' || content === null) throw damaged(file)
  const entries = Object.entries(content)
  const valid = (entry: [string, unknown]): entry is [string, NodeId] =>
    typeof entry[1] === 'string' && isNodeId(entry[1])
  if (entries.length > gatewaysMax || !entries.every(valid)) throw damaged(file)
  return new Map(entries.filter(valid))
}

function damaged(file: string, cause?: unknown): IsochroneError {
  // Forgetting in silence would let anybody pose as a known gateway.
  return new IsochroneError(
    'storage_failed',
    `${file} is damaged; remove it to trust gateways anew on first contact, ` +
      'or pin them with --join GATEWAY_ID@HOST:PORT',
    { detail: { file }, cause },
  )
}
