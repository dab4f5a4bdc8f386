/**
 * protocol: the words that both sides of the wire share. Ids, error codes, requests and their
 * events, node records, signed envelopes, FlatBuffers messages.
 */
export {
  type Attestation,
  type AttestationAsk,
  type AttestedModel,
  attestationHash,
  decodeAttestation,
  decodeAttestationAsk,
  encodeAttestation,
  encodeAttestationAsk,
} from './attestation.ts'
export {
  type Bill,
  ceilingOf,
  type Receipt,
  receiptFromJson,
  receiptHash,
  receiptToJson,
  usageLimits,
  type Work,
} from './bill.ts'
export { cardLifeMs, signClaim, verifyClaim } from './claim-seals.ts'
export {
  beginVerification,
  canonicalBytes,
  type Envelope,
  type EnvelopeDomain,
  type EnvelopeExpectation,
  type EnvelopeFields,
  hashBody,
  hashLengthBytes,
  isSignedBySender,
  nonceLengthBytes,
  type PendingEnvelope,
  type SignedEnvelope,
  signEnvelope,
  type VerifiedEnvelope,
  verifyEnvelope,
} from './envelope.ts'
export { bytesOf, envelopeFromJson, envelopeToJson } from './envelope-json.ts'
export { envelopeLimits } from './envelope-limits.ts'
export { EnvelopeSigner } from './envelope-signer.ts'
export {
  type Blame,
  type ErrorCode,
  type ErrorCodeEntry,
  errorCodes,
  grpcStatus,
  isErrorCode,
} from './error-codes.ts'
export { asIsochroneError, type ErrorDetail, hasCode, IsochroneError } from './errors.ts'
export type { Experience, ExperienceRow, SealedExperience } from './experience.ts'
export { openExperience, sealExperience } from './experience-seals.ts'
export type * from './generation.ts'
export {
  createIdentity,
  type Identity,
  identityFromPem,
  identityToPem,
  signatureLengthBytes,
  verifySignature,
} from './identity.ts'
export {
  type DecisionId,
  decisionIdOf,
  isDecisionId,
  isModelDigest,
  isNodeId,
  isUpstreamId,
  type ModelDigest,
  modelDigestOf,
  type NodeId,
  nodeIdOf,
  publicKeyLengthBytes,
  publicKeyOf,
  type RequestId,
  requestIdOf,
  shortId,
  type UpstreamId,
  type WorkerId,
} from './ids.ts'
export {
  type ChainWay,
  chainSaltBytes,
  chainWalk,
  isAnchorSealed,
  isDigestSealed,
  sealClusterDigest,
  sealLoadAnchor,
} from './load-seals.ts'
export type * from './load-statements.ts'
export {
  digestLimits,
  loadChain,
  loadChainCount,
  loadProofBytes,
  loadTopsBytes,
} from './load-statements.ts'
export { signStatement, statementLifeMs, verifyStatement } from './member-statement.ts'
export {
  type Accusation,
  type AccusationBody,
  type AliveBody,
  type AliveStatement,
  type LeftBody,
  type LeftStatement,
  type MemberState,
  type MemberSummary,
  type MembershipMessage,
  type MembershipMessageBody,
  type Signed,
  type Statement,
  type StatementBody,
  signerOf,
  type Verification,
} from './membership.ts'
export {
  type Inclusion,
  leafHash,
  leafPrefix,
  MerkleTree,
  rootOf,
  treeHashLengthBytes,
  writeLeafHash,
} from './merkle-tree.ts'
export {
  type AttestReply,
  decodeAttestReply,
  encodeAttestReply,
} from './messages/attest-reply.ts'
export { decodeClusterDigest } from './messages/cluster-digest.ts'
export {
  decodeEmbedReply,
  type EmbedReply,
  embeddingHash,
  encodeEmbedReply,
} from './messages/embed-reply.ts'
export {
  decodeGenerateReply,
  encodeGenerateReply,
  type GenerateReply,
} from './messages/generate-reply.ts'
export {
  decodeJoin,
  decodeJoinReply,
  encodeJoin,
  encodeJoinReply,
  type Join,
  type JoinReply,
} from './messages/join.ts'
export { isShallow } from './messages/json.ts'
export { messageLimits } from './messages/limits.ts'
export { decodeLoadMessage, encodeLoadMessage } from './messages/load-message.ts'
export {
  decodeMeshPacket,
  emptyMeshPacket,
  encodeMeshPacket,
  type MeshPacket,
} from './messages/mesh-packet.ts'
export {
  decodeNeighbourhoodMessage,
  encodeNeighbourhoodMessage,
} from './messages/neighbourhood-message.ts'
export {
  decodeReport,
  decodeReportAck,
  encodeReport,
  encodeReportAck,
  type Report,
  type ReportAck,
} from './messages/report.ts'
export {
  decodeEmbeddingRequest,
  decodeGenerationRequest,
  encodeEmbeddingRequest,
  encodeGenerationRequest,
} from './messages/request.ts'
export { requestLimits } from './messages/request-schema.ts'
export {
  type AttestCall,
  decodeAttestCall,
  decodeEmbedCall,
  decodeGenerateCall,
  type EmbedCall,
  encodeAttestCall,
  encodeEmbedCall,
  encodeGenerateCall,
  type GenerateCall,
} from './messages/signed-call.ts'
export {
  type AdmissionVerdict,
  type ClaimedSeal,
  type ClusterRosterBody,
  type ClusterSeat,
  type ClusterStandingBody,
  claimantOf,
  type MeshCardBody,
  type MeshClaim,
  type MeshClaimBody,
  type NeighbourhoodMessage,
  type SaidCoordinate,
  type SaidHoldings,
  type SaidTrip,
  type SignedClusterRoster,
  type SignedClusterStanding,
  type SignedMeshCard,
  type SketchedTrip,
} from './neighbourhood.ts'
export { type NodeKey, nodeKeyLengthBytes, nodeKeyOf, writeNodeKey } from './node-key.ts'
export {
  type HardwareReport,
  type LinkReport,
  type LoadReport,
  type ModelFeature,
  modelFeatures,
  type NodeRecord,
  type OfferedModel,
} from './node-record.ts'
export { type NonceOutcome, NonceStore, type NonceStoreOptions } from './nonce-store.ts'
export {
  type NoticeMark,
  type NoticeMessage,
  noticeMarkBytes,
  noticeMarkOf,
  type SaidNotice,
} from './notices.ts'
export { OutputHash } from './output-hash.ts'
export { boundedEmbedding, bytesOfDelta, embeddingReceipt, OutputTally } from './output-tally.ts'
export {
  isRelayedPacketValid,
  type RelayedPacket,
  signRelayedPacket,
} from './relayed-packet.ts'
export { type AskedFields, resultHash } from './result-hash.ts'
export { type Method, methods } from './services.ts'
export {
  recordLifeMaxMs,
  type SignedNodeRecord,
  signNodeRecord,
  verifyNodeRecord,
} from './signed-node-record.ts'
export {
  VerifiedRoots,
  type VerifiedRootsOptions,
  verifiedRootsLimits,
} from './verified-roots.ts'
