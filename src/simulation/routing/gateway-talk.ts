/**
 * What gateways tell each other of nodes: the honest what they have seen, by the code that ships,
 * and liars what they like. All rely on all from the beginning, the best that a liar can have.
 */
import type { Clock } from '../../base/index.ts'
import { experienceLimits } from '../../evidence/index.ts'
import { type NodeId, nodeIdOf } from '../../protocol/index.ts'
import type { Gateway } from './attempt.ts'
import { type LyingGateway, liesEveryMs } from './lying-gateway.ts'

export interface TalkModules {
  readonly clock: Pick<Clock, 'monotonic'>
  readonly at: (atMs: number, what: () => void) => void
  /** Something arrives at a host after its way. */
  readonly after: (from: number, to: number, what: () => void) => void
}

/** undefined: no gateway tells another anything, true or not. */
export type Liars = readonly LyingGateway[] | undefined

type Talker = Pick<Gateway, 'balancer' | 'host'>

export function startTalk(gateways: readonly Talker[], liars: Liars, modules: TalkModules): void {
  if (liars === undefined) return
  const { tellMs } = experienceLimits
  for (const [i, gateway] of gateways.entries()) {
    const firstMs = (tellMs * (i + 1)) / (gateways.length + 1)
    modules.at(firstMs, () => tell(gateway, gateways, modules))
  }
  for (const liar of liars) modules.at(firstLieMs, () => lie(liar, gateways, modules))
}

/** No node's: those are drawn. */
export function gatewayId(number: number): NodeId {
  return nodeIdOf(new Uint8Array(32).fill(number + 1))
}

/** Before anybody has seen anything. */
const firstLieMs = 100

function tell(self: Talker, gateways: readonly Talker[], modules: TalkModules): void {
  const { after, at, clock } = modules
  for (const experience of self.balancer.tells?.() ?? []) {
    for (const other of gateways) {
      if (other === self) continue
      after(self.host, other.host, () => other.balancer.hears?.(experience))
    }
  }
  at(clock.monotonic() + experienceLimits.tellMs, () => tell(self, gateways, modules))
}

/** It has no way to go: that is sooner than any could. */
function lie(liar: LyingGateway, gateways: readonly Talker[], modules: TalkModules): void {
  const { at, clock } = modules
  const nowMs = clock.monotonic()
  const experience = liar.experience(nowMs)
  const accusations = liar.accusations(nowMs)
  for (const { balancer } of gateways) {
    balancer.hears?.(experience)
    for (const accusation of accusations) balancer.accused?.(accusation)
  }
  at(nowMs + liesEveryMs, () => lie(liar, gateways, modules))
}
