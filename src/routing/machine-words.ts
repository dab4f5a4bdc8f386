/** What a machine states, and what a class of hardware asks, in the same words. */
import type { HardwareReport } from '../protocol/index.ts'
import { anyGpu, type HardwareClass } from './tier.ts'

type Asked = Pick<HardwareClass, 'memoryBandwidthBytesPerSecond'>

/**
 * For example `2 cores, 7.63 GiB, no GPU`; empty: it states nothing.
 * @param classes the bandwidth of its memory is named where one of them asks for it
 */
export function machineInWords(classes: readonly Asked[], stated: HardwareReport | null): string {
  if (stated === null) return ''
  const { cores, gpu, gpuMemoryBytes, memoryBytes, memoryBandwidthBytesPerSecond } = stated
  const asksBandwidth = classes.some((one) => one.memoryBandwidthBytesPerSecond > 0)
  return [
    coresInWords(cores),
    inGib(memoryBytes),
    ...(asksBandwidth ? [inGbPerSecond(memoryBandwidthBytesPerSecond)] : []),
    ...(gpu === '' ? ['no GPU'] : [`GPU ${inOneLine(gpu)}`]),
    ...(gpuMemoryBytes > 0 ? [`${inGib(gpuMemoryBytes)} of GPU memory`] : []),
  ].join(', ')
}

/** For example `cpu (4 cores, 8 GiB)`; a class that asks for nothing is its name. */
export function classInWords(name: string, asked: HardwareClass | undefined): string {
  if (asked === undefined) return name
  const { cores, gpu, gpuMemoryBytes, memoryBytes, memoryBandwidthBytesPerSecond } = asked
  const isAny = gpu.includes(anyGpu)
  const parts = [
    ...(cores > 0 ? [coresInWords(cores)] : []),
    ...(memoryBytes > 0 ? [inGib(memoryBytes)] : []),
    ...(memoryBandwidthBytesPerSecond > 0 ? [inGbPerSecond(memoryBandwidthBytesPerSecond)] : []),
    ...(gpu.length > 0 ? [isAny ? 'any GPU' : `GPU ${gpu.join(' or ')}`] : []),
    ...(gpuMemoryBytes > 0 ? [`${inGib(gpuMemoryBytes)} of GPU memory`] : []),
  ]
  return parts.length === 0 ? name : `${name} (${parts.join(', ')})`
}

/** A node states what it likes, and people read it among the gateway's own lines. */
function inOneLine(stated: string): string {
  return stated.replaceAll(/[\p{C}\p{Zl}\p{Zp}]/gu, ' ').slice(0, statedLengthMax)
}

/** Names of GPUs have half of that. */
const statedLengthMax = 64

function coresInWords(cores: number): string {
  return `${cores} ${cores === 1 ? 'core' : 'cores'}`
}

const bytesPerGib = 1024 ** 3

export function inGib(bytes: number): string {
  return `${Number((bytes / bytesPerGib).toFixed(2))} GiB`
}

function inGbPerSecond(bytesPerSecond: number): string {
  return `${Number((bytesPerSecond / 1e9).toPrecision(3))} GB/s`
}
