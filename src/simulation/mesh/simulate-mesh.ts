/** Runs a simulated mesh from its beginning to its end, with the checkers throughout. */
import { once } from 'node:events'
import { setFlagsFromString } from 'node:v8'
import { Worker } from 'node:worker_threads'
import type { Cut } from '../threads/cut.ts'
import { exchangeMemory } from '../threads/exchange.ts'
import type { PartThreadData } from '../threads/part-thread.ts'
import { type MeshRunResult, Monitor } from './monitor.ts'
import type { MeshRunOptions } from './options.ts'
import { cutOf, MeshPart, type PartReport, type Setting, settingOf } from './part.ts'
import { checkTimesMs } from './schedule.ts'

export interface MeshRunModules {
  /** Threads at most. The result is the same with any number. */
  readonly threads?: number
  /** With each look of the checkers, for whoever waits. */
  onProgress?(nowMs: number): void
}

/** With fewer hosts a thread waits more than it works. */
const hostsPerThreadMin = 250
/** With shorter windows threads wait for each other more than they work. */
const windowMsMin = 1
/** Messages die young: with a third of it, collecting them takes twice the time. */
const youngGenerationMb = 96
/** For all threads together: a host takes some 150 KB. Nearer to it, more garbage is collected. */
const oldGenerationMb = 3_500
/**
 * Garbage is collected once there is this much of what lives: of less, collecting takes more time;
 * of more, what it lay between stays with the process.
 */
const garbagePercentMax = 100

export async function simulateMesh(
  options: MeshRunOptions,
  modules: MeshRunModules = {},
): Promise<MeshRunResult> {
  const setting = settingOf(options)
  const parts = Math.min(modules.threads ?? 1, Math.floor(options.nodes / hostsPerThreadMin))
  if (parts > 1) {
    const cut = cutOf(setting, parts)
    if (cut.leastMs >= windowMsMin) return await inThreads(setting, cut, modules)
  }
  return here(setting, modules)
}

function here(setting: Setting, { onProgress }: MeshRunModules): MeshRunResult {
  const monitor = new Monitor(setting)
  const part = new MeshPart(setting)
  for (const nowMs of checkTimesMs(setting.options.lengthMs)) {
    part.run(nowMs)
    monitor.take([part.report()])
    onProgress?.(nowMs)
  }
  return monitor.result()
}

async function inThreads(
  setting: Setting,
  { parts }: Cut,
  { onProgress }: MeshRunModules,
): Promise<MeshRunResult> {
  setFlagsFromString(`--heap-growing-percent=${garbagePercentMax}`)
  const monitor = new Monitor(setting)
  const memory = exchangeMemory(parts)
  const waiting: PartReport[][] = Array.from({ length: parts }, () => [])
  const takeComplete = () => {
    while (waiting.every((reports) => reports.length > 0)) {
      const reports = waiting.flatMap((of) => of.splice(0, 1))
      monitor.take(reports)
      onProgress?.(reports[0]?.atMs ?? 0)
    }
  }
  const workers = waiting.map((reports, part) => {
    const workerData: PartThreadData = { options: setting.options, part, memory }
    const worker = new Worker(new URL('../threads/part-thread.ts', import.meta.url), {
      workerData,
      resourceLimits: {
        maxYoungGenerationSizeMb: youngGenerationMb,
        maxOldGenerationSizeMb: Math.floor(oldGenerationMb / parts),
      },
    })
    worker.on('message', (report: PartReport) => {
      reports.push(report)
      takeComplete()
    })
    return worker
  })
  try {
    await Promise.all(workers.map((worker) => once(worker, 'exit')))
  } finally {
    await Promise.all(workers.map((worker) => worker.terminate()))
  }
  return monitor.result()
}
