/**
 * What this side tells a peer over one connection: a call that stays open, one message per packet.
 * A packet for which there is no room is thrown away: gossip that waits is old.
 */
import { asIsochroneError, methods } from '../../protocol/index.ts'
import { type Connection, type OutgoingCall, openCall } from '../../transport/index.ts'

export class Channel {
  readonly connection: Connection
  readonly #unsentBytesMax: number
  readonly #early: Uint8Array[] = []
  #call: OutgoingCall | undefined
  #unsentBytes = 0
  #endedBecause: string | undefined

  constructor(connection: Connection, unsentBytesMax: number) {
    this.connection = connection
    this.#unsentBytesMax = unsentBytesMax
    void this.#run()
  }

  /** Why it takes nothing more, if it does not. */
  get endedBecause(): string | undefined {
    return this.#endedBecause
  }

  /** @returns whether it was taken */
  send(packet: Uint8Array): boolean {
    if (this.#endedBecause !== undefined) return false
    if (this.#unsentBytes + packet.length > this.#unsentBytesMax) return false
    this.#unsentBytes += packet.length
    if (this.#call === undefined) this.#early.push(packet)
    else void this.#write(this.#call, packet)
    return true
  }

  close(): void {
    this.#endedBecause ??= 'closed here'
    this.#call?.cancel('nothing more to tell')
  }

  async #run(): Promise<void> {
    try {
      const call = await openCall(this.connection, methods.mesh)
      this.#call = call
      if (this.#endedBecause !== undefined) call.cancel('nothing more to tell')
      for (const packet of this.#early.splice(0)) void this.#write(call, packet)
      for await (const _ of call.responses()); // it is never answered
      this.#endedBecause ??= 'the peer ended it'
    } catch (error) {
      this.#endedBecause ??= asIsochroneError(error).message
    }
  }

  async #write(call: OutgoingCall, packet: Uint8Array): Promise<void> {
    try {
      await call.send(packet)
    } catch {
      // The reader of its answers learns why.
    } finally {
      this.#unsentBytes -= packet.length
    }
  }
}
