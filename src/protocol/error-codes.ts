/**
 * The one table of error codes. `docs/errors.md` is held to it by a test.
 *
 * `grpc` is the status of a call between peers, `http` and `type` are what an OpenAI client sees,
 * `retryable` says whether another node may succeed, `blame` whose fault it is in the evidence.
 */
export type Blame = 'client' | 'node' | 'network' | 'gateway' | 'nobody'

export interface ErrorCodeEntry {
  readonly grpc: number
  readonly http: number
  readonly type: string
  readonly retryable: boolean
  readonly blame: Blame
  readonly meaning: string
}

/** gRPC status numbers (grpc/doc/statuscodes.md). */
export const grpcStatus = {
  ok: 0,
  cancelled: 1,
  unknown: 2,
  invalidArgument: 3,
  deadlineExceeded: 4,
  notFound: 5,
  alreadyExists: 6,
  permissionDenied: 7,
  resourceExhausted: 8,
  failedPrecondition: 9,
  aborted: 10,
  outOfRange: 11,
  unimplemented: 12,
  internal: 13,
  unavailable: 14,
  dataLoss: 15,
  unauthenticated: 16,
} as const

type Row = readonly [
  grpc: keyof typeof grpcStatus,
  http: number,
  type: string,
  retryable: boolean,
  blame: Blame,
  meaning: string,
]

const rows = {
  // What a client sent.
  invalid_request: [
    'invalidArgument',
    400,
    'invalid_request_error',
    false,
    'client',
    'A field is missing, malformed or out of range.',
  ],
  invalid_json: [
    'invalidArgument',
    400,
    'invalid_request_error',
    false,
    'client',
    'The body is not valid JSON in UTF-8.',
  ],
  context_length_exceeded: [
    'invalidArgument',
    400,
    'invalid_request_error',
    false,
    'client',
    'Prompt and requested tokens do not fit the model’s context.',
  ],
  invalid_api_key: [
    'unauthenticated',
    401,
    'invalid_request_error',
    false,
    'client',
    'The API key is missing, unknown or revoked.',
  ],
  model_not_found: [
    'notFound',
    404,
    'invalid_request_error',
    true,
    'client',
    'No node of this network offers the model.',
  ],
  permission_denied: [
    'permissionDenied',
    403,
    'permission_error',
    false,
    'client',
    'The API key is valid, but this is for an operator’s key.',
  ],
  not_found: [
    'notFound',
    404,
    'invalid_request_error',
    false,
    'client',
    'There is nothing at this address or under this id.',
  ],
  method_not_allowed: [
    'unimplemented',
    405,
    'invalid_request_error',
    false,
    'client',
    'The address exists, but not with this HTTP method.',
  ],
  request_timeout: [
    'deadlineExceeded',
    408,
    'invalid_request_error',
    false,
    'client',
    'The request did not arrive in full within the time limit.',
  ],
  request_too_large: [
    'resourceExhausted',
    413,
    'invalid_request_error',
    false,
    'client',
    'The request is larger than the limit.',
  ],
  unsupported_media_type: [
    'invalidArgument',
    415,
    'invalid_request_error',
    false,
    'client',
    'The body’s content type is not application/json.',
  ],
  rate_limited: [
    'resourceExhausted',
    429,
    'rate_limit_error',
    false,
    'client',
    'The key, or the peer, used up what it may ask for in this minute.',
  ],
  client_closed_request: [
    'cancelled',
    499,
    'invalid_request_error',
    false,
    'client',
    'The client left before the answer was complete.',
  ],
  // What the network could not do.
  no_eligible_node: [
    'unavailable',
    503,
    'server_error',
    false,
    'nobody',
    'No node passes every gate for this request; the decision names the gates.',
  ],
  all_nodes_busy: [
    'resourceExhausted',
    429,
    'rate_limit_error',
    true,
    'nobody',
    'Every eligible node is at its limit; try again after `retry-after`.',
  ],
  deadline_exceeded: [
    'deadlineExceeded',
    504,
    'server_error',
    false,
    'node',
    'No answer came within the request’s deadline.',
  ],
  node_failed: [
    'unavailable',
    502,
    'server_error',
    true,
    'node',
    'The node failed before or during the answer.',
  ],
  node_draining: [
    'unavailable',
    503,
    'server_error',
    true,
    'nobody',
    'The node is about to stop and takes no new work.',
  ],
  stream_interrupted: [
    'unavailable',
    502,
    'server_error',
    false,
    'node',
    'The node died in mid-stream and nobody could go on; what was sent is valid but incomplete.',
  ],
  node_quarantined: [
    'unavailable',
    503,
    'server_error',
    true,
    'nobody',
    'The node was quarantined while it worked; the incident says why.',
  ],
  continuation_differs: [
    'failedPrecondition',
    502,
    'server_error',
    true,
    'nobody',
    'A node that was to go on with an answer begins it otherwise than the one before it.',
  ],
  capability_missing: [
    'failedPrecondition',
    400,
    'invalid_request_error',
    true,
    'nobody',
    'The node cannot do what the request asks for.',
  ],
  upstream_failed: [
    'unavailable',
    502,
    'server_error',
    true,
    'node',
    'The upstream OpenAI-compatible server failed.',
  ],
  upstream_rejected: [
    'invalidArgument',
    400,
    'invalid_request_error',
    false,
    'client',
    'The upstream OpenAI-compatible server rejected the request.',
  ],
  // Between peers.
  peer_unreachable: [
    'unavailable',
    503,
    'server_error',
    true,
    'network',
    'The peer could not be reached.',
  ],
  connection_lost: [
    'unavailable',
    502,
    'server_error',
    true,
    'network',
    'The connection to the peer broke.',
  ],
  peer_unauthenticated: [
    'unauthenticated',
    401,
    'server_error',
    false,
    'node',
    'The peer did not prove its identity.',
  ],
  identity_mismatch: [
    'permissionDenied',
    403,
    'server_error',
    false,
    'node',
    'The peer’s key is not the expected one, or a frame speaks for somebody else.',
  ],
  join_refused: [
    'permissionDenied',
    403,
    'server_error',
    false,
    'node',
    'The gateway did not admit the node.',
  ],
  malformed_message: [
    'invalidArgument',
    400,
    'server_error',
    false,
    'node',
    'A message between peers is truncated or malformed.',
  ],
  message_too_large: [
    'resourceExhausted',
    413,
    'server_error',
    false,
    'node',
    'A message between peers is over its limit.',
  ],
  invalid_signature: [
    'unauthenticated',
    401,
    'server_error',
    false,
    'node',
    'A signature does not fit what it signs.',
  ],
  envelope_expired: [
    'permissionDenied',
    403,
    'server_error',
    false,
    'node',
    'A signed envelope is past its expiry, or too far in the future.',
  ],
  envelope_replayed: [
    'permissionDenied',
    403,
    'server_error',
    false,
    'node',
    'A signed envelope’s nonce was seen before.',
  ],
  method_not_found: [
    'unimplemented',
    501,
    'server_error',
    false,
    'node',
    'The peer does not know the called method.',
  ],
  cancelled: ['cancelled', 499, 'server_error', false, 'nobody', 'The caller cancelled the call.'],
  // Models and engines.
  model_unsupported: [
    'failedPrecondition',
    400,
    'server_error',
    false,
    'nobody',
    'The model’s architecture or layout is not supported.',
  ],
  model_corrupt: [
    'dataLoss',
    500,
    'server_error',
    false,
    'nobody',
    'A model file is truncated, corrupt or does not fit its configuration.',
  ],
  model_download_failed: [
    'unavailable',
    502,
    'server_error',
    false,
    'network',
    'A model file could not be downloaded or failed its check.',
  ],
  engine_unavailable: [
    'failedPrecondition',
    503,
    'server_error',
    true,
    'node',
    'The inference engine cannot run on this machine.',
  ],
  engine_failed: [
    'internal',
    500,
    'server_error',
    true,
    'node',
    'The inference engine failed while it ran.',
  ],
  // The machine and the program.
  invalid_configuration: [
    'invalidArgument',
    500,
    'server_error',
    false,
    'gateway',
    'A flag, variable or line of the configuration is wrong.',
  ],
  address_in_use: [
    'unavailable',
    500,
    'server_error',
    false,
    'gateway',
    'The port is taken by another program.',
  ],
  storage_failed: [
    'internal',
    500,
    'server_error',
    false,
    'gateway',
    'The disk is full, read-only or damaged.',
  ],
  internal: [
    'internal',
    500,
    'server_error',
    false,
    'gateway',
    'An error of this program; please report it.',
  ],
} as const satisfies Record<string, Row>

export type ErrorCode = keyof typeof rows

export const errorCodes: Readonly<Record<ErrorCode, ErrorCodeEntry>> = Object.freeze(
  Object.fromEntries(
    Object.entries(rows as Record<string, Row>).map(([code, row]) => [
      code,
      {
        grpc: grpcStatus[row[0]],
        http: row[1],
        type: row[2],
        retryable: row[3],
        blame: row[4],
        meaning: row[5],
      },
    ]),
  ) as Record<ErrorCode, ErrorCodeEntry>,
)

export function isErrorCode(text: string): text is ErrorCode {
  return Object.hasOwn(errorCodes, text)
}
