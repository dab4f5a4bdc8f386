/**
 * Hosts, the network between them, and time. Every host runs an actor; a message that one sends
 * arrives at another after its way. Hosts can be paused (their timers are late and their mail
 * waits, as after SIGSTOP), crashed, restarted, and parted from others.
 *
 * The same seed and the same calls give the same run.
 */
import { assert } from '../base/index.ts'
import type { NodeId } from '../protocol/index.ts'
import type { Actor, ActorInput } from './actor.ts'
import { Agenda, type Entry } from './agenda.ts'
import type { Links } from './network/links.ts'
import { Wakes } from './wakes.ts'

/** A message to a host of another part of the world. Plain data, as long as the message is. */
export interface Parcel<TMessage> {
  readonly atMs: number
  readonly target: number
  readonly source: number
  readonly order: number
  readonly life: number
  readonly bytes: number
  readonly message: TMessage
}

/** Which hosts a world runs itself, where another runs the rest. */
export interface Share {
  /** By host. */
  readonly partOf: Uint8Array
  readonly parts: number
  readonly part: number
}

export interface WorldOptions<TMessage, TEvent> {
  /** Undefined: all hosts are its own. */
  readonly share?: Share | undefined
  readonly ids: readonly NodeId[]
  readonly links: Links
  /** On the wire, framing included. */
  bytesOf(message: TMessage, from: number): number
  onEvent(host: number, event: TEvent, nowMs: number): void
}

type Occurrence<TMessage> = Entry &
  (
    | { readonly kind: 'resume' }
    | {
        readonly kind: 'arrival'
        readonly message: TMessage
        readonly bytes: number
        readonly life: number
      }
    | { readonly kind: 'act'; act(nowMs: number): void }
  )

interface Letter<TMessage> {
  readonly source: number
  readonly bytes: number
  readonly message: TMessage
}

/** As much as a system keeps for a stopped process; what comes then is lost. */
const pausedLettersMax = 4_096
/** Woken at one instant more often than this, a machine never lets time go on. */
const wakesAtOnceMax = 1_000
const tick = { kind: 'tick' } as const
const world = -1

export class World<TMessage, TEvent> {
  readonly #options: WorldOptions<TMessage, TEvent>
  readonly #agenda = new Agenda<Occurrence<TMessage>>()
  readonly #indexOf = new Map<NodeId, number>()
  readonly #actors: (Actor<TMessage, TEvent> | undefined)[]
  readonly #up: Uint8Array
  /** When its process began, its pause ended, or it was last parted or reunited. */
  readonly #steadySinceMs: Float64Array
  readonly #mail = new Map<number, Letter<TMessage>[]>()
  /** Which life of the host it is: what was sent to an earlier one does not arrive. */
  readonly #life: Int32Array
  readonly #group: Int32Array
  readonly #pausedUntilMs: Float64Array
  /** As it asked for last, whether it slept then or not. */
  readonly #wakeAtMs: Float64Array
  readonly #wakes: Wakes
  readonly #wokenAtMs: Float64Array
  /** How often at that instant. */
  readonly #wakesAtOnce: Uint16Array
  readonly #sent: Uint32Array
  readonly bytesSent: Float64Array
  readonly bytesReceived: Float64Array
  #parcels: Parcel<TMessage>[][]
  #nowMs = 0
  #acts = 0
  #steps = 0
  #strangers = 0

  constructor(options: WorldOptions<TMessage, TEvent>) {
    this.#options = options
    const { ids } = options
    const count = ids.length
    for (const [index, id] of ids.entries()) this.#indexOf.set(id, index)
    this.#actors = new Array<undefined>(count).fill(undefined)
    this.#up = new Uint8Array(count)
    this.#steadySinceMs = new Float64Array(count)
    this.#life = new Int32Array(count)
    this.#group = new Int32Array(count)
    this.#pausedUntilMs = new Float64Array(count)
    this.#wakeAtMs = new Float64Array(count).fill(Number.POSITIVE_INFINITY)
    this.#wakes = new Wakes(count)
    this.#wokenAtMs = new Float64Array(count).fill(Number.NEGATIVE_INFINITY)
    this.#wakesAtOnce = new Uint16Array(count)
    this.#sent = new Uint32Array(count)
    this.bytesSent = new Float64Array(count)
    this.bytesReceived = new Float64Array(count)
    this.#parcels = noParcels(options.share)
  }

  get nowMs(): number {
    return this.#nowMs
  }

  get hosts(): number {
    return this.#options.ids.length
  }

  /** Inputs that actors were given. */
  get steps(): number {
    return this.#steps
  }

  /** Messages to ids that no host has. */
  get strangers(): number {
    return this.#strangers
  }

  get messages(): number {
    return this.#sent.reduce((sum, count) => sum + count, 0)
  }

  idOf(host: number): NodeId {
    return this.#options.ids[host] as NodeId
  }

  /** -1 where there is none. */
  indexOf(id: NodeId): number {
    return this.#indexOf.get(id) ?? -1
  }

  actor(host: number): Actor<TMessage, TEvent> | undefined {
    return this.#actors[host]
  }

  isUp(host: number): boolean {
    return this.#up[host] === 1
  }

  isPaused(host: number): boolean {
    return this.#nowMs < (this.#pausedUntilMs[host] as number)
  }

  groupOf(host: number): number {
    return this.#group[host] as number
  }

  /** Infinity while it is down or paused. */
  steadySinceMs(host: number): number {
    if (!this.isUp(host) || this.isPaused(host)) return Number.POSITIVE_INFINITY
    return this.#steadySinceMs[host] as number
  }

  /** Whether this world runs the host itself. */
  owns(host: number): boolean {
    const { share } = this.#options
    return share === undefined || share.partOf[host] === share.part
  }

  /**
   * A new process on the host. It is given a tick at once.
   * @param actor undefined where the host is another world's
   */
  start(host: number, actor: Actor<TMessage, TEvent> | undefined): void {
    assert(!this.isUp(host), 'a host runs one process')
    this.#actors[host] = actor
    this.#up[host] = 1
    this.#steadySinceMs[host] = this.#nowMs
    if (actor === undefined) return
    this.#wakeNext(host, this.#nowMs)
  }

  /** The process is gone, as by `kill -9`; nobody is told. */
  crash(host: number): void {
    this.#actors[host] = undefined
    this.#up[host] = 0
    this.#life[host] = (this.#life[host] as number) + 1
    this.#wakeNext(host, Number.POSITIVE_INFINITY)
    this.#pausedUntilMs[host] = 0
    this.#mail.delete(host)
  }

  pause(host: number, forMs: number): void {
    const untilMs = this.#nowMs + forMs
    if (!this.isUp(host) || untilMs <= (this.#pausedUntilMs[host] as number)) return
    this.#pausedUntilMs[host] = untilMs
    this.#steadySinceMs[host] = untilMs
    this.#agenda.add({ kind: 'resume', atMs: untilMs, target: host, source: world, order: 1 })
  }

  /** Hosts of different groups hear nothing of each other, also of what is under way. */
  part(groupOf: (host: number) => number): void {
    for (let host = 0; host < this.hosts; host += 1) {
      const group = groupOf(host)
      if (group !== this.#group[host]) this.#steadySinceMs[host] = this.#nowMs
      this.#group[host] = group
    }
  }

  /** Runs `act` at that time, before anything of hosts that falls on the same instant. */
  at(atMs: number, act: (nowMs: number) => void): void {
    assert(atMs >= this.#nowMs, 'what is planned lies ahead')
    this.#agenda.add({ kind: 'act', atMs, target: world, source: world, order: this.#acts++, act })
  }

  /** What was sent to hosts of other parts since the last time, by part. */
  takeParcels(): readonly (readonly Parcel<TMessage>[])[] {
    const parcels = this.#parcels
    this.#parcels = noParcels(this.#options.share)
    return parcels
  }

  /** From hosts of other parts; they arrive in the future. */
  accept(parcels: readonly Parcel<TMessage>[]): void {
    for (const { atMs, target, source, order, life, bytes, message } of parcels) {
      assert(atMs > this.#nowMs, 'no message is faster than the way between parts')
      const kind = 'arrival'
      this.#agenda.add({ kind, atMs, target, source, order, life, bytes, message })
    }
  }

  /** Hands a host a message as if `from` had sent it. */
  inject(from: number, to: number, message: TMessage): void {
    this.#arrive(to, { source: from, bytes: this.#options.bytesOf(message, from), message })
  }

  run(untilMs: number): void {
    const agenda = this.#agenda
    const wakes = this.#wakes
    for (;;) {
      const wakeAtMs = wakes.nextAtMs
      const atMs = agenda.nextAtMs
      if (Math.min(wakeAtMs, atMs) > untilMs) break
      if (wakeAtMs < atMs || (wakeAtMs === atMs && wakes.next <= agenda.nextTarget)) {
        this.#nowMs = wakeAtMs
        this.#wake(wakes.next, wakeAtMs)
        continue
      }
      const next = agenda.take()
      const { target } = next
      this.#nowMs = atMs
      if (next.kind === 'arrival') {
        if (next.life === this.#life[target]) this.#arrive(target, next)
      } else if (next.kind === 'resume') this.#resume(target)
      else next.act(atMs)
    }
    this.#nowMs = untilMs
  }

  #wake(host: number, atMs: number): void {
    this.#wakes.set(host, Number.POSITIVE_INFINITY)
    if (this.isPaused(host)) return // the end of the pause looks after it
    const isAgain = this.#wokenAtMs[host] === atMs
    const times = isAgain ? (this.#wakesAtOnce[host] as number) + 1 : 1
    assert(times <= wakesAtOnceMax, `host ${host} asks at ${atMs} ms to be woken at once, for ever`)
    this.#wokenAtMs[host] = atMs
    this.#wakesAtOnce[host] = times
    this.#step(host, tick)
  }

  #resume(host: number): void {
    if (!this.isUp(host) || this.isPaused(host)) return
    if (this.#nowMs >= (this.#wakeAtMs[host] as number)) this.#step(host, tick)
    else this.#wakes.set(host, this.#wakeAtMs[host] as number)
    const letters = this.#mail.get(host) ?? []
    this.#mail.delete(host)
    for (const letter of letters) this.#arrive(host, letter)
  }

  #arrive(host: number, letter: Letter<TMessage>): void {
    const { source, bytes, message } = letter
    if (this.#group[source] !== this.#group[host] || !this.isUp(host)) return
    if (this.isPaused(host)) {
      const letters = this.#mail.get(host)
      if (letters === undefined) this.#mail.set(host, [letter])
      else if (letters.length < pausedLettersMax) letters.push(letter)
      return
    }
    this.bytesReceived[host] = (this.bytesReceived[host] as number) + bytes
    this.#step(host, { kind: 'message', from: this.idOf(source), message })
  }

  #step(host: number, input: ActorInput<TMessage>): void {
    const actor = this.#actors[host]
    if (actor === undefined) return
    this.#steps += 1
    const { sends, events, wakeAtMs } = actor.step(input, this.#nowMs)
    for (const { to, message } of sends) this.#transmit(host, to, message)
    for (const event of events) this.#options.onEvent(host, event, this.#nowMs)
    this.#wakeNext(host, Math.max(wakeAtMs, this.#nowMs))
  }

  #wakeNext(host: number, atMs: number): void {
    this.#wakeAtMs[host] = atMs
    this.#wakes.set(host, atMs)
  }

  #transmit(from: number, to: NodeId, message: TMessage): void {
    const count = this.#sent[from] as number
    this.#sent[from] = count + 1
    const bytes = this.#options.bytesOf(message, from)
    this.bytesSent[from] = (this.bytesSent[from] as number) + bytes
    const target = this.#indexOf.get(to)
    if (target === undefined) {
      this.#strangers += 1
      return
    }
    if (this.#group[from] !== this.#group[target] || !this.isUp(target)) return
    const atMs = this.#nowMs + this.#options.links.travelMs(from, target, count)
    if (atMs === Number.POSITIVE_INFINITY) return
    const life = this.#life[target] as number
    if (!this.owns(target)) {
      const part = this.#options.share?.partOf[target] ?? 0
      const parcel = { atMs, target, source: from, order: count, life, bytes, message }
      this.#parcels[part]?.push(parcel)
      return
    }
    const kind = 'arrival'
    this.#agenda.add({ kind, atMs, target, source: from, order: count, life, bytes, message })
  }
}

function noParcels<TMessage>(share: Share | undefined): Parcel<TMessage>[][] {
  return Array.from({ length: share?.parts ?? 0 }, () => [])
}
