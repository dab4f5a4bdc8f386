/** What the mesh found in what peers sent, as faults of theirs. */
import type { FaultKind } from '../../evidence/index.ts'
import type { LieKind, PeerFault } from '../../mesh/index.ts'

/**
 * `undefined`: an honest member can cause it, by delay, loss, or the word of another.
 *
 * A forged statement of membership is no more than refused gossip: a member that has another join
 * token looks like a forger to those that have the new one, and honest ones hand on what it said.
 * What is told of load is signed by identities alone, and every honest bearer has verified it;
 * except for ticks, which are verified by an anchor: a node that signs two anchors with one
 * sequence makes an honest bearer of the one look like a forger to those that have the other.
 */
const kinds: Readonly<Partial<Record<PeerFault | LieKind, FaultKind>>> = {
  'forged-digest': 'forged-statement',
  'forged-anchor': 'forged-statement',
  contradiction: 'contradiction',
  'not-its-own': 'gossip-refused',
  misplaced: 'gossip-refused',
  forged: 'gossip-refused',
  malformed: 'gossip-refused',
  oversized: 'gossip-refused',
  'self-accusation': 'gossip-refused',
  'relay-forged': 'gossip-refused',
}

export function gossipFault(found: PeerFault | LieKind): FaultKind | undefined {
  return kinds[found]
}
