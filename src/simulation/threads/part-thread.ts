/**
 * A thread that runs one part of a simulated mesh: a window alone, then what it has for the others
 * against what they have for it, until the end. It reports at each look of the checkers.
 */
import { parentPort, workerData } from 'node:worker_threads'
import { assert } from '../../base/index.ts'
import type { MeshRunOptions } from '../mesh/options.ts'
import { cutOf, MeshPart, settingOf } from '../mesh/part.ts'
import { checkTimesMs } from '../mesh/schedule.ts'
import { Exchange, type ExchangeMemory, windowsAhead } from './exchange.ts'
import type { Words } from './words.ts'

export interface PartThreadData {
  readonly options: MeshRunOptions
  readonly part: number
  readonly memory: ExchangeMemory
}

/** Rounding must not make a message arrive before the others have said what they have. */
const windowShare = 0.999

const { options, part, memory } = workerData as PartThreadData
assert(parentPort !== null, 'a part runs in a thread of its own')
const setting = settingOf(options)
const cut = cutOf(setting, memory.parts)
const mesh = new MeshPart(setting, { partOf: cut.partOf, parts: cut.parts, part })
const exchange = new Exchange(memory, part)
const windowMs = (cut.leastMs * windowShare) / windowsAhead
const accept = (words: Words, from: number) => mesh.accept(words, from)
let nowMs = 0
for (const checkAtMs of checkTimesMs(options.lengthMs)) {
  while (nowMs < checkAtMs) {
    nowMs = Math.min(checkAtMs, nowMs + windowMs)
    mesh.run(nowMs)
    exchange.swap(mesh.takeWords(), accept)
  }
  parentPort.postMessage(mesh.report())
}
