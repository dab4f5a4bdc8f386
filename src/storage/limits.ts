/** What the stores keep, for all adapters alike. */

/** Newest decisions kept: an afternoon at one request per second, at about 5 KB each. */
export const decisionsMaxDefault = 10_000
/** Evidence fades within hours; a week remains for people who ask what happened. */
export const observationAgeMaxMs = 7 * 24 * 60 * 60_000
/** About 200 bytes each on disk. */
export const observationsMaxDefault = 1_000_000
/**
 * What decisions saw of all nodes: some 150 bytes for each of them in a small network, 2 to 8 KB
 * among a thousand nodes.
 */
export const viewBytesMaxDefault = 64 * 1024 ** 2
