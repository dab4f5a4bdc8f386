/**
 * What is said in clusters under a signature: rosters by coordinators, and by each member its own
 * standing. A member's place is its own word (the standing and its card), with an epoch: the
 * latest counts, so that no two clusters share a member.
 */
import type {
  MeshClaim as Claim,
  MeshClaimBody as ClaimBody,
  NodeId,
  SignedClusterRoster as Roster,
  ClusterRosterBody as RosterBody,
  ClusterSeat as Seat,
  Verification,
} from '../../protocol/index.ts'
import type { Seal } from '../directory/card.ts'
import { clusterLimits } from './limits.ts'

export {
  type ClusterRosterBody as RosterBody,
  type ClusterSeat as Seat,
  type ClusterStandingBody as StandingBody,
  claimantOf,
  type MeshClaim as Claim,
  type MeshClaimBody as ClaimBody,
  type SignedClusterRoster as Roster,
  type SignedClusterStanding as Standing,
} from '../../protocol/index.ts'

export interface ClaimSeal {
  /** With one's own key. */
  sign<Body extends ClaimBody>(body: Body): Body & Seal
  verify(claim: Claim): Verification
}

/** The founder's name in short, and its epoch: unique, and the same as long as the cluster is. */
export function mintCluster(founder: NodeId, epoch: number): string {
  return `${founder.slice(0, 16)}-${epoch.toString(36)}`
}

/** Where each begins, and everyone who has left a cluster. */
export function rosterOfOne(self: NodeId, epoch: number): RosterBody {
  const seats = [{ id: self, epoch }]
  const cluster = mintCluster(self, epoch)
  return { kind: 'roster', cluster, version: 1, coordinator: self, seats }
}

export function seatOf(roster: RosterBody, id: NodeId): Seat | undefined {
  for (const seat of roster.seats) if (seat.id === id) return seat
  return undefined
}

/** One of the few whose cards say each change of the cluster's size. */
export function speaksFor(present: readonly NodeId[], id: NodeId): boolean {
  return present.slice(0, clusterLimits.spokesmen).includes(id)
}

/** Who left and was admitted anew has another seat. */
export function keepsSeat(id: NodeId, before: RosterBody, after: RosterBody): boolean {
  const seat = seatOf(after, id)
  return seat !== undefined && seat.epoch === seatOf(before, id)?.epoch
}

/** Whether a roster can be what it says, whoever signed it. */
export function isWellFormedRoster(roster: RosterBody, membersMax: number): boolean {
  const { version, seats, cluster } = roster
  if (!Number.isSafeInteger(version) || version < 1) return false
  if (seats.length === 0 || seats.length > membersMax) return false
  if (cluster.length === 0 || cluster.length > 64) return false
  const ids = new Set<NodeId>()
  for (const { id, epoch } of seats) {
    if (!Number.isSafeInteger(epoch) || epoch < 0) return false
    ids.add(id)
  }
  return ids.size === seats.length
}

/** What is wrong with a roster that is to follow the one that is held. */
export function faultOf(
  roster: Roster,
  held: RosterBody,
  { rules, seal }: { readonly rules: { readonly membersMax: number }; readonly seal: ClaimSeal },
): 'malformed' | 'forged' | 'expired' | undefined {
  const isLeap = roster.version - held.version > clusterLimits.versionLeapMax
  if (isLeap || !isWellFormedRoster(roster, rules.membersMax)) return 'malformed'
  const verification = seal.verify(roster)
  return verification === 'valid' ? undefined : verification
}

/** Seats of the present, in order. */
export function presentIn(roster: RosterBody, absent: ReadonlyMap<NodeId, unknown>): NodeId[] {
  const ids: NodeId[] = []
  for (const { id } of roster.seats) if (!absent.has(id)) ids.push(id)
  return ids
}

/** The first who is present: everyone with the same roster and the same absent derives it. */
export function coordinatorIn(
  roster: RosterBody,
  absent: ReadonlyMap<NodeId, unknown>,
): NodeId | undefined {
  for (const { id } of roster.seats) if (!absent.has(id)) return id
  return undefined
}

/** Whoever has a seat, when all before it are absent. */
function maySign(
  signer: NodeId,
  roster: RosterBody,
  absent: ReadonlyMap<NodeId, unknown>,
): boolean {
  for (const { id } of roster.seats) {
    if (id === signer) return true
    if (!absent.has(id)) return false
  }
  return false
}

export interface RosterView {
  readonly mine: Roster
  readonly absent: ReadonlyMap<NodeId, unknown>
  readonly isCoordinator: boolean
}

/** What a member makes of a roster that is shown to it, before its signature is looked at. */
export function stanceOn(
  roster: Roster,
  { mine, absent, isCoordinator }: RosterView,
): 'old' | 'known' | 'override' | 'dispute' | 'follow' {
  if (roster.version < mine.version) return 'old'
  const isSame = roster.version === mine.version
  if (isSame && roster.coordinator === mine.coordinator) return 'known'
  if (isCoordinator) return 'override'
  if (!maySign(roster.coordinator, mine, absent)) return 'dispute'
  return isSame ? 'old' : 'follow'
}
