/** The numbers of the directory, each with its reason. */
import { cardLifeMs } from '../../protocol/index.ts'

export const directoryLimits = Object.freeze({
  /** As many as a cluster has members: all that one could join are among them. */
  nearMax: 64,
  /** Cyclon (Voulgaris, Gavidia, van Steen, 2005) uses 20 for 100,000 nodes. */
  randomMax: 20,
  /** On PlanetLab 8 place as many nodes as 12 do, and cost a third fewer round trips. */
  witnesses: 8,
  /** Known beyond those, so that one which is lost has a successor at once. */
  witnessesSpare: 4,
  /** Witnesses change; the sketches of two nodes should still share some for a while. */
  sketchMax: 16,
  /** Versions of a card before the one that is held: others may still hand them on. */
  formersMax: 2,
  /** Of each kind in one message: a card has about 450 bytes, and a round costs as much as ten. */
  randomCardsPerMessage: 2,
  nearCardsPerMessage: 14,
  cardsPerMessageMax: 32,
  clusterNameLengthMax: 64,
  /** Eight addresses, two relays and a proof. */
  contactBytesMax: 1_024,
  /** As in a matrix of round trips: more is none. */
  tripMsMax: 60_000,
  /** Stands for "no idea": farther than any two nodes on earth. */
  unknownMs: 1_000,
  /** Ids that did not answer, with what they had said last. */
  lostMax: 128,
  seedsMax: 32,
  /** Who asked and has not given its share yet. */
  askersMax: 32,
  /** Messages of one peer: a burst, then a rate. An honest one stays below a tenth of it. */
  peerBurst: 60,
  peerPerSecond: 20,
  peersMax: 512,
})

export const directoryTimes = Object.freeze({
  /** While the views form, a step of gossip each second: log2(10,000) is 14. */
  quickIntervalMs: 1_000,
  /** Once one has seen the witnesses, rounds bring near cards: fewer rounds, with more in each. */
  quickSeeingIntervalMs: 2_000,
  /** How long that lasts, from the start and from the first complete sketch. */
  quickMs: 15_000,
  /** Then slower, while clusters form and cards say something new each time. */
  briskIntervalMs: 3_000,
  briskMs: 60_000,
  /** Then the views are kept, and seldomer where nothing is new. */
  intervalMs: 30_000,
  idleIntervalMs: 60_000,
  replyTimeoutMs: 2_000,
  /** Exchanges without an answer until a peer is left out: one message may be lost. */
  missesMax: 2,
  /** Three times as long as a card is renewed at the latest. */
  cardLifeMs,
  /** A small part of a card's life. */
  sweepIntervalMs: 120_000,
})
