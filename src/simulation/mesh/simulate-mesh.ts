/** Runs a simulated mesh from its beginning to its end, with the checkers throughout. */
import { type MeshRunResult, Monitor } from './monitor.ts'
import type { MeshRunOptions } from './options.ts'
import { MeshPart, settingOf } from './part.ts'

/** How often the checkers look: half of the shortest time that matters to them is far longer. */
const checkEveryMs = 1_000

export interface MeshRunModules {
  /** Now and then, for whoever waits. */
  onProgress?(nowMs: number): void
}

export async function simulateMesh(
  options: MeshRunOptions,
  { onProgress }: MeshRunModules = {},
): Promise<MeshRunResult> {
  const setting = settingOf(options)
  const monitor = new Monitor(setting)
  const part = new MeshPart(setting)
  for (let nowMs = 0; nowMs < options.lengthMs; ) {
    nowMs = Math.min(options.lengthMs, nowMs + checkEveryMs)
    part.run(nowMs)
    monitor.take([part.report()])
    onProgress?.(nowMs)
  }
  return monitor.result()
}
