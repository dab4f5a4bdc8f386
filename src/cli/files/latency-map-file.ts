/**
 * The latency map of the last run, one JSON file. What is unsound in it is left out by whoever
 * learns from it.
 */
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { Log } from '../../base/index.ts'
import type { LatencyStore } from '../../gateway/index.ts'
import { writeFileAtomically } from './atomic-file.ts'

/** 16,384 links of some 300 bytes are 5 MB. */
const fileBytesMax = 16 * 1024 * 1024

export function openLatencyMap(folder: string, log: Log): LatencyStore {
  const file = join(folder, 'latency-map.json')
  return {
    load: () => read(file, log),
    save: (snapshot) => writeFileAtomically(file, `${JSON.stringify(snapshot)}\n`, 0o600),
  }
}

function read(file: string, log: Log): unknown {
  try {
    if (statSync(file).size <= fileBytesMax) return JSON.parse(readFileSync(file, 'utf8'))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
  }
  log.warn('the kept latency map cannot be read; starting without it', { file })
  return undefined
}
