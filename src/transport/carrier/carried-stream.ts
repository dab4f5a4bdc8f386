/**
 * One call on a carrier: its two directions, their windows and its end.
 *
 * Written for little cost per call: promises and the abort signal are made only when somebody asks
 * for them, and a message that finds room is written at once.
 */
import { assert } from '../../base/index.ts'
import { asIsochroneError, IsochroneError } from '../../protocol/index.ts'
import type { AssemblyBudget } from '../assembly-budget.ts'
import { type Deferred, deferred, done } from '../deferred.ts'
import { Inbox } from '../inbox.ts'
import { checkMessageSize, checkMetadata } from '../metadata.ts'
import { defaultTrailers, type Metadata, type Stream } from '../transport.ts'
import { Assembly } from './assembly.ts'
import { broken } from './frames.ts'
import { carrierLimits, costOf } from './limits.ts'

/** What a call needs of its carrier. */
export interface CarrierPort {
  readonly budget: AssemblyBudget
  /** Takes room for a message; false: there is none, and `pump` is called when there is. */
  takeRoom(stream: CarriedStream, cost: number): boolean
  sendMessage(id: number, bytes: Uint8Array, isLast: boolean): void
  sendEnd(id: number): void
  sendTrailers(id: number, trailers: Metadata): void
  sendReset(id: number): void
  sendCredit(id: number, cost: number): void
  /** This much of the common window is free again. */
  release(cost: number): void
  forget(stream: CarriedStream): void
}

export interface CarriedStreamOptions {
  readonly id: number
  readonly metadata: Metadata
  readonly role: 'opener' | 'acceptor'
}

interface Outgoing {
  readonly message: Uint8Array
  at: number
}

export class CarriedStream implements Stream {
  readonly id: number
  readonly metadata: Metadata
  readonly #role: 'opener' | 'acceptor'
  readonly #port: CarrierPort
  readonly #inbox: Inbox
  readonly #assembly: Assembly
  #outbox: Outgoing[] = []
  /** What this side may still send. */
  #credit: number = carrierLimits.callWindow
  /** What the peer may still send. */
  #window: number = carrierLimits.callWindow
  /** Cost of what nobody has read. */
  #unread = 0
  /** Read, and not yet given back to the peer. */
  #owed = 0
  #roomWanted: Deferred<void> | undefined
  #controller: AbortController | undefined
  #lastWord: Metadata | undefined
  #lastWordGone: Deferred<void> | undefined
  #trailers: Metadata | undefined
  #trailersWanted: Deferred<Metadata> | undefined
  #error: IsochroneError | undefined
  /** This side sends no more. */
  #ended = false
  /** The peer sends no more. */
  #inputEnded = false
  /** The acceptor has said its last word. */
  #complete = false

  constructor(options: CarriedStreamOptions, port: CarrierPort) {
    this.id = options.id
    this.metadata = options.metadata
    this.#role = options.role
    this.#port = port
    this.#assembly = new Assembly(port.budget)
    this.#inbox = new Inbox({
      onTaken: () => this.#onTaken(),
      onAbandoned: () => {
        this.#onTaken()
        this.cancel('its reader left')
      },
    })
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController()
      if (this.#error !== undefined) this.#controller.abort(this.#error)
    }
    return this.#controller.signal
  }

  get trailers(): Promise<Metadata> {
    if (this.#trailersWanted === undefined) {
      this.#trailersWanted = deferred()
      if (this.#role === 'acceptor') this.#trailersWanted.reject(noTrailers())
      else if (this.#trailers !== undefined) this.#trailersWanted.resolve(this.#trailers)
      else if (this.#error !== undefined) this.#trailersWanted.reject(this.#error)
    }
    return this.#trailersWanted.promise
  }

  send(message: Uint8Array): Promise<void> {
    if (this.#error !== undefined) return Promise.reject(this.#error)
    if (this.#complete) return done // the peer has answered and does not listen
    assert(!this.#ended, 'nothing is sent after the end of a stream')
    try {
      checkMessageSize(message.length)
    } catch (error) {
      return Promise.reject(error)
    }
    const fits = message.length <= carrierLimits.pieceBytesMax
    if (fits && this.#outbox.length === 0 && this.#takeRoom(message.length)) {
      this.#port.sendMessage(this.id, message, true)
    } else {
      // A copy: what the sender does to its memory afterwards must not reach the peer.
      this.#outbox.push({ message: Uint8Array.from(message), at: 0 })
      this.pump()
    }
    return this.#hasRoom ? done : this.#room()
  }

  end(trailers: Metadata = defaultTrailers): Promise<void> {
    if (this.#error !== undefined) return Promise.reject(this.#error)
    if (this.#ended) return this.#lastWordGone?.promise ?? done
    if (this.#role === 'opener' && this.#complete) return done
    if (this.#role === 'acceptor') {
      try {
        checkMetadata(trailers)
      } catch (error) {
        return Promise.reject(error)
      }
    }
    this.#ended = true
    this.#lastWord = trailers
    if (this.#outbox.length === 0) {
      this.#sendLastWord()
      return done
    }
    this.#lastWordGone = deferred()
    return this.#lastWordGone.promise
  }

  messages(): AsyncIterable<readonly Uint8Array[]> {
    return this.#inbox
  }

  cancel(reason = 'cancelled'): void {
    if (this.#complete) this.#onTaken() // nobody reads it, and the window is everybody's
    if (this.#complete || this.#error !== undefined) return
    this.#port.sendReset(this.id)
    this.break(new IsochroneError('cancelled', `the call was cancelled: ${reason}`), true)
  }

  /** Sends what the windows and the carrier have room for. */
  pump(): void {
    for (;;) {
      const [next] = this.#outbox
      if (next === undefined) break
      const { message, at } = next
      const end = Math.min(message.length, at + carrierLimits.pieceBytesMax)
      if (!this.#takeRoom(end - at)) return
      this.#port.sendMessage(this.id, message.subarray(at, end), end === message.length)
      next.at = end
      if (end === message.length) this.#outbox.shift()
    }
    if (this.#lastWordGone !== undefined) this.#sendLastWord()
    if (this.#credit <= 0) return
    this.#roomWanted?.resolve()
    this.#roomWanted = undefined
  }

  addCredit(cost: number): void {
    if (cost > carrierLimits.callWindow - this.#credit) throw broken('credit for nothing')
    this.#credit += cost
    this.pump()
  }

  /** @throws IsochroneError when the peer may not send this */
  receive(bytes: Uint8Array, isLast: boolean): void {
    const cost = costOf(bytes.length)
    if (this.#window <= 0) throw broken('a message beyond the call’s window')
    if (this.#inputEnded) throw broken('a message after the end')
    this.#window -= cost
    this.#unread += cost
    if (this.#inbox.over) {
      this.#onTaken()
      return
    }
    let message: Uint8Array | undefined
    try {
      message = this.#assembly.add(bytes, { isLast, isKept: !this.#inbox.isPrompt })
    } catch (error) {
      const refusal = asIsochroneError(error)
      if (refusal.code !== 'message_too_large') throw error
      this.#refuse(refusal)
      return
    }
    if (message === undefined) {
      // It counts as assembled, not as unread, or a long message would fill its own window.
      if (this.#inbox.bytes < carrierLimits.unreadBytesMax) this.#onTaken(cost)
      return
    }
    this.#inbox.push(message)
    this.#inbox.flush()
  }

  /** The opener's end. */
  receiveEnd(): void {
    if (this.#role === 'opener' || this.#inputEnded) throw broken('an end that is none')
    this.#inputEnded = true
    if (this.#assembly.unfinished) {
      this.#inbox.fail(new IsochroneError('malformed_message', 'the last message is truncated'))
    } else this.#inbox.end()
  }

  /** The acceptor's last word. */
  receiveTrailers(trailers: Metadata): void {
    if (this.#role === 'acceptor') throw broken('trailers from the opener')
    if (this.#assembly.unfinished) throw broken('trailers in the middle of a message')
    this.#trailers = trailers
    this.#inputEnded = true
    this.#setComplete()
    this.#trailersWanted?.resolve(trailers)
    this.#inbox.end()
  }

  /** The call is over with an error, and everything that waits is rejected. */
  break(error: IsochroneError, dropUnread = false): void {
    if (dropUnread) this.#onTaken()
    this.#inbox.fail(error, dropUnread)
    if (this.#error !== undefined || this.#complete) return
    this.#error = error
    this.#assembly.release()
    this.#outbox = []
    this.#port.forget(this)
    this.#roomWanted?.reject(error)
    this.#lastWordGone?.reject(error)
    this.#lastWordGone = undefined
    this.#trailersWanted?.reject(error)
    this.#controller?.abort(error)
  }

  get #hasRoom(): boolean {
    return this.#outbox.length === 0 && this.#credit > 0
  }

  /** A handler answers with a status; a caller gives up. */
  #refuse(error: IsochroneError): void {
    this.#assembly.release()
    this.#onTaken()
    this.#inbox.fail(error)
    if (this.#role === 'acceptor') return
    this.#port.sendReset(this.id)
    this.break(error)
  }

  #room(): Promise<void> {
    this.#roomWanted ??= deferred()
    return this.#roomWanted.promise
  }

  #takeRoom(bytes: number): boolean {
    const cost = costOf(bytes)
    if (this.#credit <= 0 || !this.#port.takeRoom(this, cost)) return false
    this.#credit -= cost
    return true
  }

  #sendLastWord(): void {
    if (this.#role === 'opener') this.#port.sendEnd(this.id)
    else {
      this.#port.sendTrailers(this.id, this.#lastWord ?? defaultTrailers)
      // What was not read is thrown away, and what still comes too.
      this.#inputEnded = true
      this.#setComplete()
      this.#onTaken()
      this.#inbox.end()
    }
    this.#lastWordGone?.resolve()
    this.#lastWordGone = undefined
  }

  #setComplete(): void {
    this.#complete = true
    this.#outbox = []
    this.#assembly.release()
    this.#port.forget(this)
    this.#roomWanted?.resolve()
    this.#roomWanted = undefined
    // A peer that answered early takes no more, and whoever waits to have said all is done.
    this.#lastWordGone?.resolve()
    this.#lastWordGone = undefined
  }

  /** Gives back what was unread, or a part of it. */
  #onTaken(cost: number = this.#unread): void {
    if (cost === 0) return
    this.#unread -= cost
    this.#port.release(cost)
    if (this.#inputEnded || this.#error !== undefined) return
    this.#owed += cost
    if (this.#owed < carrierLimits.callWindow / carrierLimits.creditShare) return
    this.#window += this.#owed
    this.#port.sendCredit(this.id, this.#owed)
    this.#owed = 0
  }
}

function noTrailers(): IsochroneError {
  return new IsochroneError('internal', 'trailers come from the side that accepted a stream')
}
