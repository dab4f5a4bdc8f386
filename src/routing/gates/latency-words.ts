/** How the two latency gates say what was asked for and what was predicted. */
import type { Demand } from '../prediction.ts'
import type { Fact } from './gate.ts'

export function objectiveInWords({ request }: Demand): string {
  const { ttftMs, tpotMs } = request.objective
  const parts: string[] = []
  if (ttftMs !== null) parts.push(`first token within ${ttftMs} ms`)
  if (tpotMs !== null) parts.push(`${tpotMs} ms per further token`)
  return parts.join(', ')
}

export function latencyInWords(fact: Fact, when: string): string {
  if (!Array.isArray(fact)) return `${fact}`
  const [ttftMs = 0, tpotMs = 0] = fact as readonly number[]
  const perToken = Math.round(tpotMs * 10) / 10
  return (
    `first token after ${Math.round(ttftMs)} ms ${when}, ` +
    `${perToken} ms per further token (predicted)`
  )
}
