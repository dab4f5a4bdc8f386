/**
 * gateway: where clients enter. OpenAI's HTTP interface in front, joined nodes and upstreams
 * behind, and a decision for every request.
 */

export { ApiKeyFile, type ApiKeyInfo, type NewApiKey } from './admission/api-key-file.ts'
export type { Account, ApiKeys, JoinTokens, KeyLimits, KeyRole } from './admission/credentials.ts'
export { createJoinTokens, hashSecret, makeSecret } from './admission/secrets.ts'
export { createGateway } from './compose.ts'
export type { Gateway, GatewayModules, GatewayOptions } from './gateway.ts'
export { type GatewayLimits, gatewayLimits } from './limits.ts'
export type { LatencyStore } from './workers/latency-watch.ts'
export type { UpstreamEngine, UpstreamModel, UpstreamOptions } from './workers/upstream-engine.ts'
export type { CallLimits, Worker, WorkerView } from './workers/worker.ts'
