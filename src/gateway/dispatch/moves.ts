/** A live answer is taken from its worker, which has not failed, to go on at a healthier one. */
import { type ErrorCode, IsochroneError } from '../../protocol/index.ts'
import type { MoveReason } from '../../routing/index.ts'

/** What a client reads where, against expectation, nobody could take it; whoever asks may retry. */
const told: Readonly<Record<MoveReason, readonly [code: ErrorCode, message: string]>> = {
  draining: ['node_draining', 'The node is about to stop.'],
  suspected: ['peer_unreachable', 'The node is suspected of being dead.'],
  slow: ['node_failed', 'The node became slower than the request’s objective.'],
}

/** Made only here in the gateway: no node can say of itself that its answer was moved. */
export class AnswerMoved extends IsochroneError {
  readonly reason: MoveReason

  constructor(reason: MoveReason) {
    super(...told[reason])
    this.reason = reason
  }
}

export function moveReasonOf(error: unknown): MoveReason | undefined {
  return error instanceof AnswerMoved ? error.reason : undefined
}
