/**
 * Which link holds which gateway. One gateway may be named under two addresses; two links to it
 * would show each other out for ever, since a gateway keeps only a node's newest connection.
 */
import type { NodeId } from '../protocol/index.ts'

export class HeldGateways {
  readonly #holders = new Map<NodeId, object>()

  /** Whether a link other than `link` holds it. */
  isHeldBesides(gateway: NodeId, link: object): boolean {
    const holder = this.#holders.get(gateway)
    return holder !== undefined && holder !== link
  }

  hold(gateway: NodeId, link: object): void {
    this.#holders.set(gateway, link)
  }

  leave(gateway: NodeId, link: object): void {
    if (this.#holders.get(gateway) === link) this.#holders.delete(gateway)
  }
}
