/** Ids of incidents: as those of decisions, by another beginning. */
import { decisionIdOf } from '../../protocol/index.ts'
import type { IncidentId } from './incident.ts'

/** @param bytes 16, random */
export function incidentIdOf(bytes: Uint8Array): IncidentId {
  return `inc_${decisionIdOf(bytes).slice('dec_'.length)}`
}
