/**
 * When a cluster holds its bound: pure functions of who is in it and which pairs are far. A pair is
 * far when either end says so. One end alone can thereby only make its own pairs far, and whoever
 * has the most far pairs is the one that leaves.
 */
import type { NodeId } from '../../protocol/index.ts'
import { clusterLimits } from './limits.ts'

/** Whom each member calls far. */
export type FarLists = ReadonlyMap<NodeId, readonly NodeId[]>

/**
 * Pairs that may be farther than the bound. So few that the 95th percentile is within the bound
 * by every definition of it, also by those that interpolate.
 */
export function farAllowed(members: number): number {
  const pairs = (members * (members - 1)) / 2
  return Math.max(0, Math.floor((pairs - 1) / clusterLimits.farPairsOneIn))
}

/**
 * Far pairs with which a newcomer is admitted to so many members: the bound shall still hold when
 * another goes at the same time.
 */
export function farAdmitted(members: number): number {
  return farAllowed(members)
}

/** Far pairs among them. */
export function countFar(members: readonly NodeId[], lists: FarLists): number {
  let count = 0
  for (const far of farOfEach(members, lists).values()) count += far.size
  return count / 2
}

/**
 * Whom the cluster loses so that the bound holds for the others: again and again the one with the
 * most far pairs; of several, the one admitted last. Everyone who knows the same computes the same.
 */
export function whoLeaves(members: readonly NodeId[], lists: FarLists): NodeId[] {
  if (saidFar(lists) <= farAllowed(members.length)) return [] // mostly, and asked often
  const far = farOfEach(members, lists)
  let pairs = 0
  for (const others of far.values()) pairs += others.size
  pairs /= 2
  const leaving: NodeId[] = []
  const staying = [...members]
  while (staying.length > 1 && pairs > farAllowed(staying.length)) {
    let worst = 0
    for (let place = 1; place < staying.length; place += 1) {
      const count = far.get(staying[place] as NodeId)?.size ?? 0
      if (count >= (far.get(staying[worst] as NodeId)?.size ?? 0)) worst = place
    }
    const [id] = staying.splice(worst, 1) as [NodeId]
    for (const other of far.get(id) ?? []) far.get(other)?.delete(id)
    pairs -= far.get(id)?.size ?? 0
    far.delete(id)
    leaving.push(id)
  }
  return leaving
}

/** No fewer than there are far pairs. */
function saidFar(lists: FarLists): number {
  let said = 0
  for (const far of lists.values()) said += far.length
  return said
}

function farOfEach(members: readonly NodeId[], lists: FarLists): Map<NodeId, Set<NodeId>> {
  const far = new Map<NodeId, Set<NodeId>>()
  if (lists.size === 0) return far
  const isMember = new Set(members)
  for (const id of members) {
    for (const other of lists.get(id) ?? []) {
      if (other === id || !isMember.has(other)) continue
      note(far, id, other)
      note(far, other, id)
    }
  }
  return far
}

function note(far: Map<NodeId, Set<NodeId>>, id: NodeId, other: NodeId): void {
  const known = far.get(id)
  if (known === undefined) far.set(id, new Set([other]))
  else known.add(other)
}
