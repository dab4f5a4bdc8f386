/**
 * Where else the gateways are that a node is told to join: at the addresses that they had in the
 * mesh in its last life. Others are not joined unasked: who is one is for its operator to say.
 */
import type { Contact } from '../../mesh/index.ts'
import type { GatewayAddress, KnownGateways } from '../../node/index.ts'

/** Each gets a link of its own, which stands by while another holds its gateway. */
const keptMax = 16

export function keptGateways(
  contacts: readonly Contact[],
  told: readonly GatewayAddress[],
  known: Pick<KnownGateways, 'get'>,
): readonly GatewayAddress[] {
  const ids = new Set(told.map(({ id, address }) => id ?? known.get(address)))
  const kept: GatewayAddress[] = []
  for (const { id, addresses } of contacts) {
    if (!ids.has(id)) continue
    for (const address of addresses) {
      if (told.every((one) => one.address !== address)) kept.push({ id, address })
    }
  }
  return kept.slice(0, keptMax)
}
