/**
 * The three declared regions of a local network, and the emulated delay between each two.
 *
 * One-way delays are half of the usual median round trip between public cloud regions at these
 * places (AWS eu-west-1 to us-east-1 about 68 ms, to ap-southeast-1 about 176 ms; us-east-1 to
 * ap-southeast-1 about 220 ms; as cloudping.co publishes them), and a metropolitan millisecond
 * within a region.
 */
export const emulatedRegions = ['eu-west', 'us-east', 'ap-southeast'] as const

export type EmulatedRegion = (typeof emulatedRegions)[number]

export const gatewayRegion: EmulatedRegion = 'eu-west'

const oneWayDelaysMs: Readonly<Record<EmulatedRegion, Readonly<Record<EmulatedRegion, number>>>> = {
  'eu-west': { 'eu-west': 1, 'us-east': 34, 'ap-southeast': 88 },
  'us-east': { 'eu-west': 34, 'us-east': 1, 'ap-southeast': 110 },
  'ap-southeast': { 'eu-west': 88, 'us-east': 110, 'ap-southeast': 1 },
}

export function oneWayDelayMs(from: EmulatedRegion, to: EmulatedRegion): number {
  return oneWayDelaysMs[from][to]
}

/**
 * Nodes take turns, so that every region has one as soon as there are three. @param index from 0
 */
export function regionOfNode(index: number): EmulatedRegion {
  const region = emulatedRegions[index % emulatedRegions.length]
  if (region === undefined) throw new RangeError('there is at least one region')
  return region
}
