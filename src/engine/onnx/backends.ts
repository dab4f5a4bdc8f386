/**
 * What this machine can run models on, found by trying it, and what it measures.
 */
import { existsSync } from 'node:fs'
import { type Clock, systemClock } from '../../base/index.ts'
import { asIsochroneError, IsochroneError } from '../../protocol/index.ts'
import { multiplyGraph } from './probe-graphs.ts'
import {
  createSession,
  loadRuntime,
  type OnnxBackend,
  onnxBackends,
  threadsMax,
} from './runtime.ts'

export interface BackendReport {
  readonly backend: OnnxBackend
  readonly available: boolean
  /** What is missing and how to mend it; or what was found. */
  readonly detail: string
}

type Environment = Readonly<Record<string, string | undefined>>

/**
 * Each back end runs a small product; one that cannot says why.
 * @param environment the process's variables, of which two can name a Vulkan driver
 */
export async function availableBackends(
  environment: Environment = {},
): Promise<readonly BackendReport[]> {
  const reports: BackendReport[] = []
  // One after another: two back ends that load the same native library at once would race.
  for (const backend of onnxBackends) reports.push(await probe(backend, environment))
  return reports
}

async function probe(backend: OnnxBackend, environment: Environment): Promise<BackendReport> {
  if (backend === 'webgpu' && !mayHaveGpu(environment)) {
    const detail = 'There is no GPU. With one, install its Vulkan driver.'
    return { backend, available: false, detail }
  }
  try {
    const runtime = await loadRuntime(backend)
    const graph = multiplyGraph({ rows: 1, inner: 4, columns: 4 })
    const session = await createSession(runtime, graph, { backend, threads: 1 })
    const left = new runtime.Tensor('float32', Float32Array.of(1, 2, 3, 4), [1, 4])
    const right = new runtime.Tensor('float32', new Float32Array(16).fill(1), [4, 4])
    const { product } = await session.run({ left, right })
    await session.release()
    if ((product?.data as Float32Array | undefined)?.[0] !== 10) {
      return { backend, available: false, detail: 'a product of small matrices came out wrong' }
    }
    return { backend, available: true, detail: backend === 'cpu' ? `${threadsMax} threads` : '' }
  } catch (error) {
    return { backend, available: false, detail: asIsochroneError(error).message }
  }
}

/** Looking for an adapter where there is none makes the driver's loader write to standard error. */
function mayHaveGpu(environment: Environment): boolean {
  if (process.platform !== 'linux') return true
  if (environment['VK_DRIVER_FILES'] || environment['VK_ICD_FILENAMES']) return true
  return ['/dev/dri', '/dev/nvidia0', '/dev/dxg'].some((device) => existsSync(device))
}

/** Well beyond the caches of any processor. */
const bandwidthBytes = 256 * 1024 * 1024
const bandwidthRuns = 5

/**
 * Bytes that all threads together read per second, in a product of a vector with a matrix that no
 * cache holds: what bounds decoding. The best of a few runs, since others share the machine.
 */
export async function measureMemoryBandwidth(clock: Clock = systemClock): Promise<number> {
  const inner = 4096
  const columns = bandwidthBytes / 4 / inner
  const runtime = await loadRuntime('cpu')
  const graph = multiplyGraph({ rows: 1, inner, columns })
  const session = await createSession(runtime, graph, { backend: 'cpu', threads: threadsMax })
  const matrix = new Float32Array(inner * columns).fill(1)
  const feeds = {
    left: new runtime.Tensor('float32', new Float32Array(inner).fill(1), [1, inner]),
    right: new runtime.Tensor('float32', matrix, [inner, columns]),
  }
  let best = Number.POSITIVE_INFINITY
  try {
    for (let run = 0; run < bandwidthRuns; run += 1) {
      const start = clock.monotonic()
      const { product } = await session.run(feeds)
      best = Math.min(best, clock.monotonic() - start)
      if ((product?.data as Float32Array | undefined)?.[0] !== inner) {
        throw new IsochroneError('engine_failed', 'A large product of matrices came out wrong.')
      }
    }
  } finally {
    await session.release()
  }
  return Math.round(bandwidthBytes / (best / 1000))
}
