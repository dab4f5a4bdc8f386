/**
 * The three declared regions of a local network, and the emulated delay between the gateway's and
 * each.
 *
 * One-way delays are half of the usual median round trip between public cloud regions at these
 * places (AWS eu-west-1 to us-east-1 about 68 ms, to ap-southeast-1 about 176 ms, as cloudping.co
 * publishes them), and a metropolitan millisecond inside the gateway's own region.
 */
export interface EmulatedRegion {
  readonly name: string
  /** From the gateway's region, one way. */
  readonly oneWayDelayMs: number
}

export const gatewayRegion = 'eu-west'

export const emulatedRegions: readonly EmulatedRegion[] = [
  { name: 'eu-west', oneWayDelayMs: 1 },
  { name: 'us-east', oneWayDelayMs: 34 },
  { name: 'ap-southeast', oneWayDelayMs: 88 },
]

/**
 * Nodes take turns, so that every region has one as soon as there are three. @param index from 0
 */
export function regionOfNode(index: number): EmulatedRegion {
  const region = emulatedRegions[index % emulatedRegions.length]
  if (region === undefined) throw new RangeError('there is at least one region')
  return region
}
