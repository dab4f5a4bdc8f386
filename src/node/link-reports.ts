/** What a node tells its gateways of the ways to other members: the nearest of those measured. */
import type { MeshMember } from '../mesh/index.ts'
import { type LinkReport, messageLimits } from '../protocol/index.ts'

/** Fewer say little of a median. */
const samplesMin = 3

export function linkReports(members: readonly MeshMember[]): readonly LinkReport[] {
  const reports: LinkReport[] = []
  for (const { id, link, state } of members) {
    if (state !== 'alive' || link === null || link.samples < samplesMin) continue
    const { medianMs, p95Ms, jitterMs, loss } = link
    reports.push({ peer: id, medianMs, p95Ms, jitterMs, loss })
  }
  // The near ones are who can say where a node cannot be.
  reports.sort((a, b) => a.medianMs - b.medianMs)
  return reports.slice(0, messageLimits.linksPerReportMax)
}
