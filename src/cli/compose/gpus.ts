/**
 * What drivers tell of this machine's GPUs: names and memory, and nothing that is guessed. The back
 * end does not tell which of them it takes, so they count only as far as all are alike.
 */
import { execFile } from 'node:child_process'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'

export interface FoundGpu {
  /** Empty: unknown. */
  readonly name: string
  /** 0: unknown. */
  readonly memoryBytes: number
}

export interface GpuSources {
  /** What a program prints; throws where there is none. */
  readonly run: (program: string, args: readonly string[]) => Promise<string>
  /** Of the kernel: a folder for each card. */
  readonly cards: string
}

/** Drivers that have gone to sleep take seconds to answer. */
const runMsMax = 10_000
const outputBytesMax = 64 * 1024
/** As records have it. */
const nameLengthMax = 128
const mib = 1024 * 1024
/** Less is what a processor's own GPU has set aside, and not all that it can use. */
const amdBytesMin = 2 * 1024 * mib
const unknown: FoundGpu = { name: '', memoryBytes: 0 }

export const systemGpus: GpuSources = {
  run: (program, args) =>
    new Promise((resolve, reject) => {
      const limits = { timeout: runMsMax, maxBuffer: outputBytesMax, windowsHide: true }
      execFile(program, [...args], limits, (error, out) => (error ? reject(error) : resolve(out)))
    }),
  cards: '/sys/class/drm',
}

/** @param backend that works: `cuda` runs on NVIDIA's alone */
export async function gpuOf(
  backend: 'cuda' | 'webgpu',
  sources: GpuSources = systemGpus,
): Promise<FoundGpu> {
  const nvidia = await nvidiaGpus(sources)
  const all = backend === 'cuda' ? nvidia : [...nvidia, ...(await amdGpus(sources))]
  const [first = unknown] = all
  const isAlike = (of: keyof FoundGpu) => all.every((one) => one[of] === first[of])
  return {
    name: isAlike('name') ? first.name : '',
    memoryBytes: isAlike('memoryBytes') ? first.memoryBytes : 0,
  }
}

async function nvidiaGpus({ run }: GpuSources): Promise<readonly FoundGpu[]> {
  const query = ['--query-gpu=memory.total,name', '--format=csv,noheader,nounits']
  const text = await run('nvidia-smi', query).catch(() => '')
  return text.split('\n').flatMap((line) => {
    const [, memory = '', name = ''] = /^([^,]*),(.*)$/.exec(line.trim()) ?? []
    return name === '' ? [] : [gpuFrom(name, memory, mib)]
  })
}

/** The kernel's driver tells the memory of each card, and the names of some. */
async function amdGpus({ cards }: GpuSources): Promise<readonly FoundGpu[]> {
  const names = await readdir(cards).catch(() => [])
  const found: FoundGpu[] = []
  for (const card of names.filter((name) => /^card\d+$/.test(name)).sort()) {
    const read = (file: string) => readFile(join(cards, card, 'device', file), 'utf8')
    const memory = await read('mem_info_vram_total').catch(() => undefined)
    if (memory === undefined) continue
    const gpu = gpuFrom(await read('product_name').catch(() => ''), memory, 1)
    const isOwn = gpu.memoryBytes >= amdBytesMin
    found.push(isOwn ? gpu : { ...gpu, memoryBytes: 0 })
  }
  return found
}

/** Where a driver says `[N/A]`, nothing is known. */
function gpuFrom(name: string, memory: string, unitBytes: number): FoundGpu {
  const text = memory.trim()
  const bytes = /^\d{1,15}$/.test(text) ? Number(text) * unitBytes : 0
  const plain = name.replace(/[^\x20-\x7e]/g, ' ').trim()
  const isKnown = Number.isSafeInteger(bytes)
  return { name: plain.slice(0, nameLengthMax), memoryBytes: isKnown ? bytes : 0 }
}
