/** The figures of one way, and what is to be reached by this project's two. */
import { type Check, check } from '../report.ts'

export interface Figures {
  readonly name: string
  /** Median and 99th percentile at one connection. */
  readonly latencyMs: number
  readonly latencyP99Ms: number
  /** At 32 connections. */
  readonly answersPerSecond: number
  readonly streamsPerSecondAt16: number
  readonly streamsPerSecondAt32: number
  /** 10^6 bytes resident after the load; null where the system does not tell. */
  readonly residentMb: number | null
  /** Requests without a whole answer, and what was wrong with the first of them. */
  readonly failed: number
  readonly firstFailure: string
}

export function gatewayChecks(figures: readonly Figures[]): readonly Check[] {
  const find = (wanted: string) => figures.find(({ name }) => name === wanted)
  const direct = find('direct')
  const portkey = find('portkey')
  const added = (way: Figures | undefined) =>
    way === undefined || direct === undefined ? null : way.latencyMs - direct.latencyMs
  return ['isochrone: gateway', 'isochrone: gateway + node'].flatMap((name) => {
    const own = find(name)
    const label = name.replace('isochrone: ', '')
    const times = (of: (way: Figures) => number) => ratio(own && of(own), portkey && of(portkey))
    const toPortkey = { unit: '× Portkey’s', reach: '>= 3' }
    return [
      {
        name: `${label}: added latency beside Portkey’s`,
        value: ratio(added(own), added(portkey)),
        unit: '× Portkey’s',
        reach: '<= 0.4',
      },
      { name: `${label}: added latency`, value: added(own), unit: 'ms', reach: '<= 1' },
      {
        name: `${label}: requests/s at 32 connections`,
        value: times((way) => way.answersPerSecond),
        ...toPortkey,
      },
      {
        name: `${label}: 20-chunk streams/s at 16 connections`,
        value: times((way) => way.streamsPerSecondAt16),
        ...toPortkey,
      },
      {
        name: `${label}: 20-chunk streams/s at 32 connections`,
        value: times((way) => way.streamsPerSecondAt32),
        ...toPortkey,
      },
      {
        name: `${label}: gateway memory`,
        value: own?.residentMb ?? null,
        unit: 'MB',
        reach: '< 150',
      },
      { name: `${label}: failed requests`, value: own?.failed ?? null, unit: '', reach: '<= 0' },
    ].map(check)
  })
}

function ratio(own: number | null | undefined, other: number | null | undefined): number | null {
  return typeof own !== 'number' || typeof other !== 'number' ? null : own / other
}
