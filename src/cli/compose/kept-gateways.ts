/**
 * Gateways that a node knew in its last life, besides those that it is told to join: where one of
 * those is gone, the node still finds work.
 */
import type { Contact } from '../../mesh/index.ts'
import type { GatewayAddress } from '../../node/index.ts'

/** A node holds a connection to each, and tells each its load. */
const keptMax = 4

/** Each must prove to be the one that it was; the view that names them is this node's own. */
export function keptGateways(
  contacts: readonly Contact[],
  told: readonly GatewayAddress[],
): readonly GatewayAddress[] {
  const kept: GatewayAddress[] = []
  for (const { id, role, addresses } of contacts) {
    const [address] = addresses
    if (role !== 'gateway' || address === undefined) continue
    if (told.some((one) => one.id === id || one.address === address)) continue
    kept.push({ id, address })
  }
  return kept.slice(0, keptMax)
}
