/**
 * One end of a carrier: a stream on which many calls share messages.
 *
 * A stream of its own for every call costs HTTP/2 many times more than what a call says. On a
 * carrier a call is a few frames, and everything that this side says within a turn of the event
 * loop goes out as one message. The opener of the carrier opens the calls; each has its window and
 * all have one together, so that neither a slow reader nor a hostile peer fills this side's memory.
 * `docs/decisions/0015-calls-on-a-carrier.md` has the figures.
 */
import { type Clock, systemTurn } from '../../base/index.ts'
import { asIsochroneError, IsochroneError } from '../../protocol/index.ts'
import type { AssemblyBudget } from '../assembly-budget.ts'
import type { Metadata, Stream } from '../transport.ts'
import { CarriedStream, type CarrierPort } from './carried-stream.ts'
import {
  broken,
  callIdMax,
  type FrameReader,
  FrameWriter,
  frameKinds,
  readFrames,
  resetCodes,
} from './frames.ts'
import { carrierLimits, costOf } from './limits.ts'
import { ResetAllowance } from './reset-allowance.ts'

export interface CarrierOptions {
  readonly role: 'opener' | 'acceptor'
  readonly clock: Clock
  readonly budget: AssemblyBudget
  /** Why the connection is gone, if it is. */
  readonly connectionError: () => IsochroneError | undefined
  /** Whether the peer may have one more call. */
  readonly hasRoom: () => boolean
  readonly onCall: (stream: Stream) => void
  /** The peer broke the rules or a limit: the connection is not to be gone on with. */
  readonly onBreach: (detail: string) => void
}

export class Carrier implements CarrierPort, FrameReader {
  readonly budget: AssemblyBudget
  readonly #stream: Stream
  readonly #options: CarrierOptions
  readonly #calls = new Map<number, CarriedStream>()
  readonly #resets: ResetAllowance
  readonly #writer = new FrameWriter()
  /** Calls that wait for room, in the order in which they get it. */
  readonly #blocked = new Set<CarriedStream>()
  /** What all calls together may still send, and what the peer's may. */
  #credit: number = carrierLimits.window
  #window: number = carrierLimits.window
  #owed = 0
  /** The last call that was opened. */
  #lastId = 0
  #isFlushDue = false
  #isFlushing = false
  #error: IsochroneError | undefined

  constructor(stream: Stream, options: CarrierOptions) {
    this.#stream = stream
    this.#options = options
    this.budget = options.budget
    this.#resets = new ResetAllowance(options.clock)
  }

  /** Calls that run. */
  get size(): number {
    return this.#calls.size
  }

  /** Whether it takes no more calls. */
  get isOver(): boolean {
    return this.#error !== undefined || this.#lastId >= callIdMax
  }

  /** undefined: there is no room now. */
  open(metadata: Metadata): Stream | undefined {
    if (this.#writer.length >= carrierLimits.batchBytesMax) return undefined
    this.#lastId += 1
    const call = new CarriedStream({ id: this.#lastId, metadata, role: 'opener' }, this)
    this.#calls.set(call.id, call)
    this.#writer.metadata(frameKinds.open, call.id, metadata)
    this.#flushSoon()
    return call
  }

  /** Reads until the peer ends the carrier or it breaks; never rejects. */
  async run(messages: AsyncIterable<readonly Uint8Array[]>): Promise<void> {
    try {
      for await (const batch of messages) {
        for (const message of batch) this.receive(message)
        if (this.#error !== undefined) return
      }
      this.break(this.#options.connectionError() ?? ended())
    } catch (error) {
      this.break(asIsochroneError(error))
    }
  }

  /** Takes one message of the carrier’s stream. */
  receive(message: Uint8Array): void {
    if (this.#error !== undefined) return
    try {
      readFrames(message, this)
    } catch (error) {
      if (!(error instanceof IsochroneError)) throw error
      this.#breach(error)
    }
  }

  /** Every call is over with the error. */
  break(error: IsochroneError): void {
    if (this.#error !== undefined) return
    this.#error = error
    for (const call of [...this.#calls.values()]) call.break(error)
    this.#blocked.clear()
  }

  /** Breaks the calls; what was said before still goes out. */
  close(error: IsochroneError): void {
    if (this.#error !== undefined) return
    while (this.#writer.length > 0) this.#stream.send(this.#writer.take()).catch(ignore)
    this.break(error)
    this.#stream.end().catch(ignore)
  }

  takeRoom(call: CarriedStream, cost: number): boolean {
    if (!this.#hasRoom) {
      this.#blocked.add(call)
      return false
    }
    this.#credit -= cost
    return true
  }

  sendMessage(id: number, bytes: Uint8Array, isLast: boolean): void {
    this.#writer.bytes(isLast ? frameKinds.message : frameKinds.piece, id, bytes)
    this.#flushSoon()
  }

  sendEnd(id: number): void {
    this.#writer.plain(frameKinds.end, id, 0)
    this.#flushSoon()
  }

  sendTrailers(id: number, trailers: Metadata): void {
    this.#writer.metadata(frameKinds.trailers, id, trailers)
    this.#flushSoon()
  }

  sendReset(id: number): void {
    this.#writer.plain(frameKinds.reset, id, resetCodes.cancelled)
    this.#flushSoon()
  }

  sendCredit(id: number, cost: number): void {
    this.#writer.plain(frameKinds.credit, id, cost)
    this.#flushSoon()
  }

  release(cost: number): void {
    this.#owed += cost
    if (this.#owed < carrierLimits.window / carrierLimits.creditShare) return
    this.#window += this.#owed
    this.sendCredit(0, this.#owed)
    this.#owed = 0
  }

  forget(call: CarriedStream): void {
    this.#calls.delete(call.id)
    this.#blocked.delete(call)
  }

  onOpen(id: number, metadata: Metadata): void {
    const { role, connectionError, hasRoom, onCall } = this.#options
    if (role === 'opener') throw broken('a call from the side that accepts them')
    if (id <= this.#lastId) throw broken('a call’s id that was used before')
    this.#lastId = id
    if (connectionError() !== undefined) return
    if (!hasRoom()) {
      this.#resets.take()
      this.#writer.plain(frameKinds.reset, id, resetCodes.refused)
      this.#flushSoon()
      return
    }
    const call = new CarriedStream({ id, metadata, role: 'acceptor' }, this)
    this.#calls.set(id, call)
    onCall(call)
  }

  onMessage(id: number, bytes: Uint8Array, isLast: boolean): void {
    if (this.#window <= 0) throw broken('a message beyond the window of all calls')
    const cost = costOf(bytes.length)
    this.#window -= cost
    const call = this.#call(id)
    if (call === undefined) this.release(cost)
    else call.receive(bytes, isLast)
  }

  onEnd(id: number): void {
    this.#call(id)?.receiveEnd()
  }

  onTrailers(id: number, trailers: Metadata): void {
    this.#call(id)?.receiveTrailers(trailers)
  }

  onReset(id: number, code: number): void {
    const call = this.#call(id)
    if (call === undefined) return
    const isCallers = this.#options.role === 'acceptor'
    if (isCallers) this.#resets.take()
    // What its caller gave up is not read, and would take room of all calls for good.
    call.break(resetError(code), isCallers)
  }

  onCredit(id: number, cost: number): void {
    if (id !== 0) {
      this.#call(id)?.addCredit(cost)
      return
    }
    if (cost > carrierLimits.window - this.#credit) throw broken('credit for nothing')
    this.#credit += cost
    this.#pumpBlocked()
  }

  /** undefined: it is over already, and its peer did not know when it sent this. */
  #call(id: number): CarriedStream | undefined {
    const call = this.#calls.get(id)
    if (call === undefined && (id === 0 || id > this.#lastId)) throw broken('no such call')
    return call
  }

  #breach(error: IsochroneError): void {
    this.#options.onBreach(error.message)
    this.break(error)
  }

  /** Once per turn of the event loop: what several calls say in it goes together. */
  #flushSoon(): void {
    if (this.#writer.length > carrierLimits.waitingBytesMax) {
      this.#breach(broken('it reads nothing of what it is told'))
      return
    }
    if (this.#isFlushDue || this.#isFlushing) return
    this.#isFlushDue = true
    systemTurn.sending(this.#flush)
  }

  readonly #flush = async (): Promise<void> => {
    this.#isFlushDue = false
    this.#isFlushing = true
    try {
      while (this.#writer.length > 0 && this.#error === undefined) {
        await this.#stream.send(this.#writer.take())
        this.#pumpBlocked()
      }
    } catch {
      // The stream broke: whoever reads it hears why.
    }
    this.#isFlushing = false
  }

  #pumpBlocked(): void {
    if (this.#blocked.size === 0) return
    for (const call of [...this.#blocked]) {
      if (!this.#hasRoom) return
      // Who is blocked again comes last: a large message keeps nobody from their turn.
      this.#blocked.delete(call)
      call.pump()
    }
  }

  get #hasRoom(): boolean {
    return this.#credit > 0 && this.#writer.length < carrierLimits.batchBytesMax
  }
}

function ended(): IsochroneError {
  return new IsochroneError('cancelled', 'the peer ended the stream that carried the call')
}

function resetError(code: number): IsochroneError {
  return code === resetCodes.refused
    ? new IsochroneError('all_nodes_busy', 'the peer takes no more calls now')
    : new IsochroneError('cancelled', 'the peer cancelled the call')
}

function ignore(): void {}
