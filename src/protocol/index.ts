/**
 * protocol: the words that both sides of the wire share.
 * Ids, error codes, requests and their events, node records, signed envelopes, FlatBuffers messages.
 */
export {
  type Blame,
  type ErrorCode,
  type ErrorCodeEntry,
  errorCodes,
  grpcStatus,
  isErrorCode,
} from './error-codes.ts'
export { asIsochroneError, type ErrorDetail, hasCode, IsochroneError } from './errors.ts'
export type * from './generation.ts'
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
  type HardwareReport,
  type LoadReport,
  type ModelFeature,
  modelFeatures,
  type NodeRecord,
  type OfferedModel,
} from './node-record.ts'
