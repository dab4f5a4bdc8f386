/**
 * Probes a peer at an interval, feeds a link estimate and says when the peer is lost.
 *
 * A connection may have several channels (sockets); each is probed, since each can die alone.
 */
import type { Clock, Timer } from '../base/index.ts'
import { LinkEstimator } from './link-estimator.ts'
import { type LinkQuality, transportLimits } from './transport.ts'

/** Sends one probe; calls back with the round trip in ms when it is answered. */
export type SendProbe = (onAnswer: (roundTripMs: number) => void) => void

export interface ProberOptions {
  readonly clock: Clock
  readonly channels: readonly SendProbe[]
  readonly onLost: (detail: string) => void
}

/** The first probes follow each other at once: an estimate is there before the first call. */
const firstProbes = 3

interface Channel {
  readonly send: SendProbe
  /** When the probe that waits for its answer was sent; undefined: none waits. */
  sentAt: number | undefined
}

export class Prober {
  readonly #clock: Clock
  readonly #onLost: (detail: string) => void
  readonly #channels: Channel[]
  readonly #estimator = new LinkEstimator()
  #timer: Timer | undefined
  #left: number
  #stopped = false

  constructor(options: ProberOptions) {
    this.#clock = options.clock
    this.#onLost = options.onLost
    this.#channels = options.channels.map((send) => ({ send, sentAt: undefined }))
    this.#left = firstProbes - 1
  }

  start(): void {
    for (const channel of this.#channels) this.#probe(channel)
    this.#schedule()
  }

  stop(): void {
    this.#stopped = true
    this.#timer?.cancel()
  }

  quality(): LinkQuality {
    return this.#estimator.quality()
  }

  #schedule(): void {
    if (this.#stopped) return
    this.#timer = this.#clock.after(transportLimits.probeIntervalMs, () => this.#beat())
  }

  #beat(): void {
    const now = this.#clock.monotonic()
    for (const channel of this.#channels) {
      if (channel.sentAt === undefined) this.#probe(channel)
      else if (now - channel.sentAt >= transportLimits.probeTimeoutMs) {
        this.#estimator.unanswered()
        this.stop()
        this.#onLost(`no answer to a probe for ${transportLimits.probeTimeoutMs} ms`)
        return
      }
    }
    this.#schedule()
  }

  #probe(channel: Channel): void {
    const sentAt = this.#clock.monotonic()
    channel.sentAt = sentAt
    channel.send((roundTripMs) => {
      if (this.#stopped || channel.sentAt !== sentAt) return
      channel.sentAt = undefined
      this.#estimator.answered(roundTripMs)
      if (this.#left > 0 && channel === this.#channels[0]) {
        this.#left -= 1
        this.#probe(channel)
      }
    })
  }
}
