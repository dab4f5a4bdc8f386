/** `[GATEWAY_ID@]HOST:PORT`: where a gateway is, and which key it must have there. */
import { IsochroneError, isNodeId, type NodeId } from '../protocol/index.ts'

export interface GatewayAddress {
  /** undefined: whoever answers first is trusted and remembered. */
  readonly id: NodeId | undefined
  /** `host:port` */
  readonly address: string
}

/** @throws IsochroneError `invalid_configuration` */
export function parseGatewayAddress(text: string): GatewayAddress {
  const at = text.indexOf('@')
  const id = at < 0 ? undefined : text.slice(0, at)
  const address = text.slice(at + 1)
  const form = 'it has the form [GATEWAY_ID@]HOST:PORT'
  if (id !== undefined && !isNodeId(id)) {
    throw new IsochroneError(
      'invalid_configuration',
      `"${text}" does not name a gateway: "${id}" is no id (52 characters, a–z and 2–7); ${form}`,
    )
  }
  const port = /^(?:\[[0-9a-fA-F:.]+\]|[^\s:@[\]/]+):(\d{1,5})$/.exec(address)?.[1]
  if (port === undefined || Number(port) < 1 || Number(port) > 65_535) {
    throw new IsochroneError(
      'invalid_configuration',
      `"${text}" does not name a gateway: "${address}" is no HOST:PORT; ${form}`,
    )
  }
  return { id, address }
}
