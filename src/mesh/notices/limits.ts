/** Times and bounds of notices. They are rare; what counts is that none is late. */
import { messageLimits } from '../../protocol/index.ts'

export const noticeTimes = {
  /** What was not acknowledged is told again after this, then after twice that, and so on: for
   * 16 s in all. A wide-area round trip is 300 ms at most; twice is cheaper than late. */
  resendMs: 250,
  /** Between two questions to one gateway, drawn by chance, for what it has told. */
  askMs: 10_000,
  /** Who asks is asked back, unless it was a moment ago: longer than any round trip. */
  askBackMs: 3_000,
  /** A gateway that was silent and speaks again is told what it has not acknowledged, unless it
   * was told that a moment ago; one that never acknowledges, each time after longer. */
  againMinMs: 2_000,
  againMaxMs: 300_000,
} as const

export const noticeLimits = {
  /** Times that a notice is told unasked. */
  tellingsMax: 7,
  /** A gateway's own; the oldest goes first. */
  ownMax: messageLimits.noticesHeldMax,
  heldMax: messageLimits.noticesHeldMax,
  perMessageMax: messageLimits.noticesPerMessageMax,
  /** Of texts in one message: it has to fit into what may wait for a peer that is dialled. */
  messageBytesMax: 48 * 1024,
  /** Other gateways of whom is remembered what they told: twice those that are dealt with. */
  gatewaysMax: 128,
  /** Each costs a verification or two. A rack of nodes with one wrong model, and then some. */
  toldBurstMax: 64,
  toldPerSecondMax: 8,
  /** What a gateway has seen of nodes: four times what an honest one tells. */
  experiencesBurstMax: 8,
  experiencesPerSecondMax: 8 / 60,
  /** Answers to one asker, 48 KB each: all that a gateway may have, and then one a second. */
  answersBurstMax: 40,
  answersPerSecondMax: 1,
} as const
