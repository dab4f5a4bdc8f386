/**
 * The latency map of the last run, one JSON file. What is unsound in it is left out by whoever
 * learns from it.
 */
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { type Clock, type Log, systemClock } from '../../base/index.ts'
import type { LatencyStore } from '../../gateway/index.ts'
import { removeUnfinished } from './atomic-file.ts'
import { BackgroundFile } from './background-file.ts'

/** 16,384 links of some 300 bytes are 5 MB. */
const fileBytesMax = 16 * 1024 * 1024

export interface LatencyMapFile extends LatencyStore {
  /** What was saved is on the disk, or was told to have failed. */
  settled(): Promise<void>
}

export function openLatencyMap(
  folder: string,
  log: Log,
  clock: Pick<Clock, 'now'> = systemClock,
): LatencyMapFile {
  const path = join(folder, 'latency-map.json')
  const file = new BackgroundFile(path, 0o600)
  removeUnfinished(path)
  return {
    load: () => aged(read(path, log), clock.now()),
    async save(snapshot) {
      const kept = { ...snapshot, savedAtMs: clock.now() }
      await file.write(`${JSON.stringify(kept)}\n`)
    },
    settled: () => file.settled(),
  }
}

/** Ages in it are of when it was kept; the map does not know how long ago that is. */
function aged(content: unknown, nowMs: number): unknown {
  if (typeof content !== 'object' || content === null || !('savedAtMs' in content)) return content
  const { savedAtMs } = content
  return typeof savedAtMs === 'number' ? { ...content, downMs: nowMs - savedAtMs } : content
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
