/** What an operator's decision makes of an incident. */
import { isConfined, isDisprovable } from './exit.ts'
import type { Incident, IncidentState, Ruling } from './incident.ts'

/** `shut`: for as long as it would have been. */
export type Ruled = 'shut' | { readonly state: IncidentState; readonly shutUntilMs?: number }

/** Why an operator cannot decide so; undefined: he can. */
export function refusalOf(incident: Incident, { decision }: Ruling): string | undefined {
  const { id, state } = incident
  if (state === 'closed') return `The incident ${id} is closed already.`
  if (decision !== 'attest') return undefined
  if (state !== 'quarantined') {
    return (
      `Only a node that is quarantined can prove itself; the incident ${id} is “${state}”. ` +
      'Send the decision "lift" or "uphold" with a reason.'
    )
  }
  if (isDisprovable(incident)) return undefined
  return (
    `What was found in the incident ${id} is not disproven by work: send the decision "lift" or ` +
    '"uphold" with a reason.'
  )
}

/** Of one worker. Upheld, a quarantine is the operator's alone to end. */
export function ruled(incident: Incident, { decision }: Ruling, nowMs: number): Ruled {
  const { shutUntilMs, state } = incident
  if (decision === 'lift') return { state: 'closed' }
  if (decision === 'attest') return { state, shutUntilMs: nowMs }
  if (isConfined(state)) return { state: 'quarantined' }
  if (state === 'suspended') return 'shut'
  return shutUntilMs === null ? { state } : { state, shutUntilMs }
}
