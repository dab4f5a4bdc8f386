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
/** What came while this process had no time for it is read first. */
const secondLookMs = 50

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
  #intervalMs: number = transportLimits.probeIntervalMs
  #timer: Timer | undefined
  #watch: Timer | undefined
  #overdue = false
  #answeredAtMs: number | undefined
  /** undefined: something has changed since it was asked for; routing asks for every candidate. */
  #quality: LinkQuality | undefined
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
    this.#watchAnswers()
    this.#schedule()
  }

  stop(): void {
    this.#stopped = true
    this.#timer?.cancel()
    this.#watch?.cancel()
  }

  /** From the next probe on. */
  every(intervalMs: number): void {
    this.#intervalMs = intervalMs
  }

  quality(): LinkQuality {
    this.#quality ??= {
      ...this.#estimator.quality(),
      overdue: this.#overdue,
      answeredAtMs: this.#answeredAtMs,
    }
    return this.#quality
  }

  /** Out of turn; while a probe waits for its answer, that one says it. */
  now(): void {
    if (this.#stopped || this.#channels.some(({ sentAt }) => sentAt !== undefined)) return
    for (const channel of this.#channels) this.#probe(channel)
    this.#watch?.cancel()
    this.#watch = undefined
    this.#watchAnswers()
  }

  #schedule(): void {
    if (this.#stopped) return
    this.#timer = this.#clock.after(this.#intervalMs, () => this.#beat())
  }

  #beat(): void {
    const now = this.#clock.monotonic()
    for (const channel of this.#channels) {
      if (channel.sentAt === undefined) this.#probe(channel)
      else if (now - channel.sentAt >= transportLimits.probeTimeoutMs) {
        this.#estimator.unanswered()
        this.#quality = undefined
        this.stop()
        this.#onLost(`no answer to a probe for ${transportLimits.probeTimeoutMs} ms`)
        return
      }
    }
    this.#watchAnswers()
    this.#schedule()
  }

  /** Looks twice: a late look, by a process that was held up itself, says nothing of the peer. */
  #watchAnswers(): void {
    if (this.#watch !== undefined) return
    const patienceMs = this.#estimator.patienceMs()
    this.#watch = this.#clock.after(patienceMs, () => {
      this.#watch = undefined
      if (!this.#isLate(patienceMs)) return
      this.#watch = this.#clock.after(secondLookMs, () => {
        this.#watch = undefined
        this.#overdue = this.#isLate(patienceMs)
        this.#quality = undefined
      })
    })
  }

  #isLate(patienceMs: number): boolean {
    const sentBefore = this.#clock.monotonic() - patienceMs
    return this.#channels.some(({ sentAt }) => sentAt !== undefined && sentAt <= sentBefore)
  }

  #probe(channel: Channel): void {
    const sentAt = this.#clock.monotonic()
    channel.sentAt = sentAt
    channel.send((roundTripMs) => {
      if (this.#stopped || channel.sentAt !== sentAt) return
      channel.sentAt = undefined
      this.#answeredAtMs = this.#clock.monotonic()
      this.#estimator.answered(roundTripMs)
      this.#quality = undefined
      if (this.#overdue) this.#overdue = this.#isLate(this.#estimator.patienceMs())
      if (this.#left > 0 && channel === this.#channels[0]) {
        this.#left -= 1
        this.#probe(channel)
      }
    })
  }
}
