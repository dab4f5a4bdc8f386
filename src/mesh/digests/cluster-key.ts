/** A cluster's id in 8 bytes, for summaries that name every cluster each second. */
import { createHash } from 'node:crypto'

/** Ids are few and stay; hashing them each second would cost more than to remember. */
const keysMax = 8_192
const keys = new Map<string, string>()

/** 16 hexadecimal digits. */
export function clusterKeyOf(cluster: string): string {
  let key = keys.get(cluster)
  if (key === undefined) {
    key = createHash('sha256').update(cluster).digest('hex').slice(0, 16)
    if (keys.size >= keysMax) keys.clear()
    keys.set(cluster, key)
  }
  return key
}
