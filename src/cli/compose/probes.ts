/** What the engine's back ends tell of this machine; the node and `doctor` ask the same. */
import {
  availableBackends,
  measureMemoryBandwidth,
  verifyIntegerMatmul,
} from '../../engine/index.ts'
import type { MachineProbes } from '../../node/index.ts'

export const engineProbes: MachineProbes = {
  async gpu() {
    const found = await availableBackends()
    const gpu = found.find(
      ({ backend, available }) => available && (backend === 'webgpu' || backend === 'cuda'),
    )
    return { name: gpu?.detail ?? '', memoryBytes: 0 }
  },
  memoryBandwidth: () => measureMemoryBandwidth(),
  integerExact: async () => (await verifyIntegerMatmul('cpu')).exact,
}
