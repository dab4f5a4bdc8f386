/**
 * The carriers of a connection: one for the calls that this side opens, one for the peer's.
 *
 * A peer that knows carriers answers the call that opens one with its version, at once. Until then,
 * and for good with a peer that does not (any other gRPC server), calls have streams of their own.
 */
import type { Clock } from '../../base/index.ts'
import { hasCode, IsochroneError } from '../../protocol/index.ts'
import type { AssemblyBudget } from '../assembly-budget.ts'
import { deferred } from '../deferred.ts'
import type { Metadata, Stream } from '../transport.ts'
import { Carrier, type CarrierOptions } from './carrier.ts'

export const carrierPath = '/isochrone.transport.v1.Calls/Carry'
/** What the acceptor says first. */
const greeting = Uint8Array.of(1)

export interface CarriersOptions {
  readonly clock: Clock
  readonly budget: AssemblyBudget
  readonly connectionError: () => IsochroneError | undefined
  /** Opens a stream to the peer; undefined: this side opens no carrier. */
  readonly open: ((metadata: Metadata) => Stream) | undefined
  /** Whether the peer may have one more call. */
  readonly hasRoom: () => boolean
  readonly onCall: (stream: Stream) => void
  readonly onBreach: (detail: string) => void
}

export class Carriers {
  readonly #options: CarriersOptions
  #isAsked = false
  #outgoing: Carrier | undefined
  #incoming: Carrier | undefined
  readonly #answered = deferred<boolean>()

  constructor(options: CarriersOptions) {
    this.#options = options
  }

  /** Calls of ours on the carrier. */
  get size(): number {
    return this.#outgoing?.size ?? 0
  }

  /** Calls of the peer's on its carrier. */
  get acceptedSize(): number {
    return this.#incoming?.size ?? 0
  }

  /** Resolves once the first call has shown whether the peer knows carriers. */
  get answered(): Promise<boolean> {
    return this.#answered.promise
  }

  /** A call on the carrier; undefined: there is none, and the call needs a stream of its own. */
  open(metadata: Metadata): Stream | undefined {
    if (this.#outgoing !== undefined && !this.#outgoing.isOver) return this.#outgoing.open(metadata)
    if (!this.#isAsked && this.#options.open !== undefined) {
      this.#isAsked = true
      void this.#ask(this.#options.open({ ':path': carrierPath }))
    }
    return undefined
  }

  /** Takes a stream that the peer opened for its calls. */
  accept(stream: Stream): void {
    if (this.#incoming !== undefined) {
      stream.cancel('one carrier is enough')
      return
    }
    const carrier = new Carrier(stream, this.#carrierOptions('acceptor'))
    this.#incoming = carrier
    stream.send(greeting).catch(ignore)
    void carrier.run(stream.messages()).then(() => stream.end().catch(ignore))
  }

  /** The connection ends: at once, or with what was said before. */
  end(error: IsochroneError, inOrder: boolean): void {
    this.#outgoing?.break(error)
    if (inOrder) this.#incoming?.close(error)
    else this.#incoming?.break(error)
    this.#answered.resolve(false)
  }

  async #ask(stream: Stream): Promise<void> {
    const reader = stream.messages()[Symbol.asyncIterator]()
    try {
      const { value, done } = await reader.next()
      const [first, ...more] = (value ?? []) as readonly Uint8Array[]
      if (done !== true && first?.length === 1 && first[0] === greeting[0]) {
        const carrier = new Carrier(stream, this.#carrierOptions('opener'))
        this.#outgoing = carrier
        this.#answered.resolve(true)
        await carrier.run(following(more, reader))
      }
    } catch (error) {
      if (!(error instanceof IsochroneError) || hasCode(error, 'internal')) throw error
    } finally {
      this.#answered.resolve(false)
      stream.cancel('it carries no calls')
    }
  }

  #carrierOptions(role: CarrierOptions['role']): CarrierOptions {
    const { clock, budget, connectionError, hasRoom, onCall, onBreach } = this.#options
    return { role, clock, budget, connectionError, hasRoom, onCall, onBreach }
  }
}

async function* following(
  first: readonly Uint8Array[],
  reader: AsyncIterator<readonly Uint8Array[]>,
): AsyncGenerator<readonly Uint8Array[], void, undefined> {
  yield first
  for (;;) {
    const { value, done } = await reader.next()
    if (done) return
    yield value
  }
}

function ignore(): void {}
