/** What the machine is, as the operating system tells it; nothing here is measured by running. */
import { availableParallelism, cpus, freemem, totalmem } from 'node:os'
import type { HardwareReport } from '../../protocol/index.ts'

export type DetectedHardware = Pick<
  HardwareReport,
  'platform' | 'cpu' | 'cores' | 'memoryBytes' | 'memoryFreeBytes'
>

export function detectHardware(): DetectedHardware {
  return {
    platform: `${process.platform}-${process.arch}`,
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    memoryBytes: memoryLimit(),
    memoryFreeBytes: Math.min(freemem(), memoryLimit()),
  }
}

/** In a container, its own limit where it is lower. */
function memoryLimit(): number {
  const constrained = process.constrainedMemory()
  return constrained > 0 ? Math.min(constrained, totalmem()) : totalmem()
}
