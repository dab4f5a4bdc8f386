/**
 * Everything a node finds out about its machine and engine before it joins. `doctor` shows the
 * same.
 */
import type { Clock } from '../../base/index.ts'
import type { Engine } from '../../engine/index.ts'
import type { HardwareReport } from '../../protocol/index.ts'
import { type MeasuredSpeed, measureModel, notMeasured } from './benchmark.ts'
import { detectHardware } from './hardware.ts'

/**
 * What the engine's back ends can tell; handed in, so that this room does not choose a back end.
 */
export interface MachineProbes {
  /** The GPU adapter's name and memory; an empty name: none found; no memory: unknown. */
  readonly gpu: () => Promise<{ readonly name: string; readonly memoryBytes: number }>
  /** Bytes per second. */
  readonly memoryBandwidth: () => Promise<number>
  readonly integerExact: () => Promise<boolean>
}

export interface MachineFindings {
  readonly hardware: HardwareReport
  /** What could not be found out, in words. */
  readonly faults: readonly string[]
}

export async function measureMachine(probes: MachineProbes): Promise<MachineFindings> {
  const faults: string[] = []
  const attempt = async <T>(what: string, probe: () => Promise<T>, otherwise: T): Promise<T> => {
    try {
      return await probe()
    } catch (error) {
      faults.push(`${what}: ${error instanceof Error ? error.message : String(error)}`)
      return otherwise
    }
  }
  // One after the other: a measurement beside another one measures both.
  const gpu = await attempt('GPU adapter', probes.gpu, { name: '', memoryBytes: 0 })
  const bandwidth = await attempt('memory bandwidth', probes.memoryBandwidth, 0)
  const integerExact = await attempt('integer exactness', probes.integerExact, false)
  const hardware: HardwareReport = {
    ...detectHardware(),
    gpu: gpu.name,
    gpuMemoryBytes: gpu.memoryBytes,
    memoryBandwidthBytesPerSecond: bandwidth,
    integerExact,
  }
  return { hardware, faults }
}

export interface SpeedOptions {
  /** For all models together: joining does not wait longer. */
  readonly budgetMs: number
}

/**
 * By model name. A model of another server is not measured: asking could make it load tens of
 * gigabytes.
 */
export async function measureSpeeds(
  engine: Engine,
  options: SpeedOptions,
  clock: Clock,
): Promise<ReadonlyMap<string, MeasuredSpeed>> {
  const models = engine.models()
  const speeds = new Map<string, MeasuredSpeed>()
  const budgetMs = options.budgetMs / Math.max(1, models.length)
  for (const model of models) {
    const measurable = model.features.includes('completion') || model.features.includes('chat')
    const others = model.runtime.startsWith('upstream') && models.length > 1
    const speed =
      measurable && !others ? await measureModel(engine, model, { clock, budgetMs }) : notMeasured
    speeds.set(model.name, speed)
  }
  return speeds
}
