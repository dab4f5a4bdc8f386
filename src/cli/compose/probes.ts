/**
 * What the engine's back ends tell of this machine. It is asked once for all nodes of a data
 * folder: what they share need not be measured by each, and measurements beside each other would
 * measure one another.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { loadLocalEngine } from '../../engine/index.ts'
import {
  detectHardware,
  type MachineFindings,
  type MachineProbes,
  measureMachine,
} from '../../node/index.ts'
import type { HardwareReport } from '../../protocol/index.ts'
import { writeFileAtomically } from '../files/atomic-file.ts'
import { softwareVersion } from '../version.ts'
import { gpuOf } from './gpus.ts'

export const engineProbes: MachineProbes = {
  async gpu() {
    const { availableBackends } = await loadLocalEngine()
    const found = await availableBackends()
    const gpu = found.find(
      ({ backend, available }) => available && (backend === 'webgpu' || backend === 'cuda'),
    )
    if (gpu === undefined) return { name: '', memoryBytes: 0 }
    // The back end does not tell the adapter's name, only that one works.
    const { name, memoryBytes } = await gpuOf(gpu.backend === 'cuda' ? 'cuda' : 'webgpu')
    return { name: name || gpu.detail || `an adapter through ${gpu.backend}`, memoryBytes }
  },
  async memoryBandwidth() {
    const { measureMemoryBandwidth } = await loadLocalEngine()
    return measureMemoryBandwidth()
  },
  async integerExact() {
    const { verifyIntegerMatmul } = await loadLocalEngine()
    return (await verifyIntegerMatmul('cpu')).exact
  },
}

/**
 * A machine's memory or processor can change under a container; an hour bounds how long that is
 * missed.
 */
const findingsLifeMs = 3600 * 1000

interface KeptFindings {
  readonly key: string
  readonly measuredAtMs: number
  readonly hardware: HardwareReport
}

/** To be called while no other process measures. */
export async function machineFindings(root: string): Promise<MachineFindings> {
  const file = join(root, 'machine.json')
  const detected = detectHardware()
  const key = [softwareVersion(), detected.cpu, detected.cores, detected.memoryBytes].join('|')
  const kept = readFindings(file)
  const age = Date.now() - (kept?.measuredAtMs ?? 0)
  if (kept !== undefined && kept.key === key && age >= 0 && age < findingsLifeMs) {
    return { hardware: { ...kept.hardware, ...detected }, faults: [] }
  }
  const findings = await measureMachine(engineProbes)
  collectGarbage()
  // What failed is tried again next time.
  if (findings.faults.length === 0) {
    const keep: KeptFindings = { key, measuredAtMs: Date.now(), hardware: findings.hardware }
    writeFileAtomically(file, `${JSON.stringify(keep, null, 2)}\n`, 0o600)
  }
  return findings
}

/**
 * The measurements leave hundreds of megabytes behind, which an idle process would keep for
 * minutes.
 */
function collectGarbage(): void {
  setFlagsFromString('--expose-gc')
  const collect: unknown = runInNewContext('gc')
  if (typeof collect === 'function') collect()
}

function readFindings(file: string): KeptFindings | undefined {
  try {
    const kept = JSON.parse(readFileSync(file, 'utf8')) as Partial<KeptFindings> | null
    const { hardware, key, measuredAtMs } = kept ?? {}
    if (typeof key !== 'string' || typeof measuredAtMs !== 'number') return undefined
    if (typeof hardware?.integerExact !== 'boolean') return undefined
    if (typeof hardware.memoryBandwidthBytesPerSecond !== 'number') return undefined
    if (typeof hardware.gpu !== 'string' || typeof hardware.gpuMemoryBytes !== 'number') {
      return undefined
    }
    return { key, measuredAtMs, hardware }
  } catch {
    return undefined
  }
}
