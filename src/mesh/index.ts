/**
 * mesh: who is alive and near. Membership by gossip (SWIM with Lifeguard), coordinates, clusters.
 * State machines without I/O: whoever composes them brings connections, clock and keys.
 */
export { MeshAgent } from './agent/agent.ts'
export type { MemberRole } from './agent/card.ts'
export type { Contact, ContactStore } from './agent/contacts.ts'
export type { FaultListener, PeerFault } from './agent/guests.ts'
export type { LoadFacts } from './agent/load-keeper.ts'
export {
  type MachineEvent,
  type MachineInput,
  type MachineOutputs,
  type MachineSeals,
  type MachineSend,
  MeshMachine,
} from './agent/machine.ts'
export type { ExperienceReader, NoticeKeeper, NoticeReader } from './agent/notice-keeper.ts'
export type { AgentModules, AgentOptions, MeshMember } from './agent/options.ts'
export {
  type Claim as ClusterClaim,
  type ClaimBody as ClusterClaimBody,
  type ClaimSeal as ClusterClaimSeal,
  claimantOf,
  type Roster as ClusterRoster,
  type Seat as ClusterSeat,
  type Standing as ClusterStanding,
} from './clusters/claims.ts'
export type { ClusterFault } from './clusters/context.ts'
export { farAllowed } from './clusters/fit.ts'
export { type ClusterRules, defaultRules as defaultClusterRules } from './clusters/limits.ts'
export {
  type ClusterMessage,
  type NeighbourhoodMessage,
  neighbourhoodMessageBytes,
} from './clusters/messages.ts'
export {
  Neighbourhood,
  type NeighbourhoodEvent,
  type NeighbourhoodInput,
  type NeighbourhoodModules,
  type NeighbourhoodOptions,
  type NeighbourhoodOutputs,
  type Place as ClusterPlace,
  type PlaceReason,
} from './clusters/neighbourhood.ts'
export type { MeasuredTrip } from './clusters/trips.ts'
export {
  type Coordinate,
  coordinateBytes,
  coordinateLimits,
  decodeCoordinate,
  encodeCoordinate,
  isPlausible as isPlausibleCoordinate,
  origin as originCoordinate,
  predictMs,
} from './coordinates/coordinate.ts'
export {
  Coordinates,
  type CoordinatesModules,
  type CoordinatesOptions,
  type RoundTripSample,
  type SampleFault,
} from './coordinates/coordinates.ts'
export type { Lie, LieKind } from './digests/conduct.ts'
export {
  DigestPublisher,
  type MemberStanding,
  type PublisherInput,
} from './digests/digest-publisher.ts'
export { FederationView, type ViewInput } from './digests/federation-view.ts'
export { digestTimes, viewLimits } from './digests/limits.ts'
export { LoadPart, type LoadPartInput } from './digests/load-part.ts'
export {
  OwnRequests,
  type PredictedLoad,
  type PredictionOptions,
  type SaidLoad,
} from './digests/load-prediction.ts'
export { loadMessageBytes } from './digests/message-bytes.ts'
export { type OwnFacts, OwnLoad, type OwnLoadInput } from './digests/own-load.ts'
export {
  PromptsAhead,
  type ReadingOptions,
  type SaidPrompts,
  type UnreadPrompt,
} from './digests/prompts-ahead.ts'
export {
  ed25519Seals,
  type LoadSeals,
  type OwnSeals,
  simulatedSeals,
} from './digests/seals.ts'
export type { LoadEvent, LoadOutputs, LoadSend } from './digests/step.ts'
export type {
  ClusterView,
  NodeState,
  RegionView,
  ViewedNode,
} from './digests/view-reading.ts'
export { apartMs, type Card, type CardBody, type Trip } from './directory/card.ts'
export type { Neighbour } from './directory/card-book.ts'
export {
  Directory,
  type DirectoryInput,
  type DirectoryMessage,
  type DirectoryOutputs,
} from './directory/directory.ts'
export { directoryMessageBytes } from './directory/messages.ts'
export {
  type Cell,
  type CellGrid,
  cellResolutionMax,
  loadCellGrid,
  type Place,
  type Point,
} from './latency-map/cells.ts'
export {
  type LatencyEstimate,
  LatencyMap,
  type LatencyMapSnapshot,
  type LinkMeasurement,
  type MapPair,
} from './latency-map/latency-map.ts'
export { fibreRoundTripMs, leastRoundTripMs } from './latency-map/light.ts'
export {
  type Contradiction,
  LocationCheck,
  type LocationEvent,
  type LocationInput,
  type LocationVerdict,
  locationLimits,
} from './latency-map/location-check.ts'
export { type LinkEstimate, LinkTable, linkLimits } from './links/link-table.ts'
export type { LinkMeasure } from './links/link-window.ts'
export { Membership } from './membership/membership.ts'
export {
  type MemberState,
  type MemberSummary,
  type Message as MembershipMessage,
  messageBytes as membershipMessageBytes,
} from './membership/messages.ts'
export {
  lan,
  local,
  type MembershipPreset,
  membershipLimits,
  near,
  presetFor,
  wan,
} from './membership/presets.ts'
export type {
  Accusation,
  AliveStatement,
  LeftStatement,
  Signed,
  Statement,
  StatementBody,
  Verification,
} from './membership/statements.ts'
export type {
  MembershipEvent,
  MembershipInput,
  MembershipModules,
  MembershipOptions,
  MembershipOutputs,
  Send,
} from './membership/step.ts'
export { Outbox } from './outbox.ts'
