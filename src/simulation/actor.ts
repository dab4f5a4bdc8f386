/**
 * What the simulator runs: a machine without I/O that is given inputs and the time, and says what
 * to send, what it has noticed, and when to be woken.
 */
import type { NodeId } from '../protocol/index.ts'

export type ActorInput<TMessage> =
  /** The time that was asked for has come. */
  | { readonly kind: 'tick' }
  | { readonly kind: 'message'; readonly from: NodeId; readonly message: TMessage }

export interface ActorOutputs<TMessage, TEvent> {
  readonly sends: readonly { readonly to: NodeId; readonly message: TMessage }[]
  readonly events: readonly TEvent[]
  /** Infinity: not at all. */
  readonly wakeAtMs: number
}

export interface Actor<TMessage, TEvent> {
  step(input: ActorInput<TMessage>, nowMs: number): ActorOutputs<TMessage, TEvent>
}
