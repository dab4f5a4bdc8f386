/**
 * Bounds of what a message between peers may hold; a hostile peer meets them before any memory is
 * taken.
 */
export const messageLimits = {
  /** The transport's own limit of one message. */
  messageBytesMax: 8 * 1024 * 1024,
  tokenBytesMax: 1024,
  /** Names of models, runtimes, hardware, regions; addresses. */
  nameBytesMax: 256,
  networkBytesMax: 128,
  /** An H3 index has 15 digits. */
  cellBytesMax: 15,
  addressesMax: 16,
  /** A full cluster. */
  linksPerReportMax: 64,
  /** One upstream server may list hundreds. */
  modelsMax: 1024,
  featuresMax: 64,
  /** A thousand times the memory bandwidth of the fastest accelerators, in bytes per second. */
  quantityMax: 1e16,
  /** A node record with all its models. */
  recordBytesMax: 1024 * 1024,
  /** What a node attests of itself, and of how many models: what is kept of it stays small. */
  attestationBytesMax: 8 * 1024,
  attestedModelsMax: 8,
  /** Events that became available together. */
  eventsPerMessageMax: 16_384,
  logprobsPerEventMax: 4_096,
  /** OpenAI's own limit. */
  topLogprobsMax: 20,
  /** The choices of one request. */
  choicesMax: 1_024,
  embeddingRowsMax: 2_048,
  /** Of gateways: an operator's words among them (4,000 characters, twice). */
  noticeBytesMax: 32 * 1024,
  noticesPerMessageMax: 16,
  /** Nodes and models of which a gateway tells at once: 42 bytes each, and models’ names. */
  experienceRowsMax: 512,
  experienceBytesMax: 48 * 1024,
  /** More than any record holds of one node and model. */
  experienceCountMax: 10_000,
  /** Notices that one gateway holds of another: as many as it ought to have open, twice over. */
  noticesHeldMax: 512,
  /** A push-pull of a full cluster and its dead, and its summary, several times over. */
  meshPacketBytesMax: 256 * 1024,
  /** What one turn has to say of load; the largest are digests of 20 kB. */
  loadMessagesMax: 8,
  /** Probes, answers and one push-pull; what one turn of a member has to say is a handful. */
  membershipMessagesMax: 64,
  neighbourhoodMessagesMax: 16,
  /** The largest push-pull's, each as short as can be. */
  statementsMax: 512,
  /** Members and dead in one push-pull. */
  summariesMax: 1_280,
  clusterNameBytesMax: 64,
  /** Members of a cluster, with room. */
  seatsMax: 256,
  /** Measured round trips that one tells of: to each member of a cluster. */
  tripsMax: 256,
  /** Cards in one list: those nearest to somebody, or some at random. */
  cardsMax: 64,
  /** A filter over all cards that a node holds, a byte for each, with room. */
  holdingsBytesMax: 256,
  /** Sixteen 32-bit floats. */
  coordinateBytesMax: 64,
  /** What a member says of itself. */
  payloadBytesMax: 256,
} as const
