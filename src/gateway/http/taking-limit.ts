/**
 * A client has to take the rest of an answer that has ended, or the answer stays in memory for as
 * long as the client likes.
 *
 * The time depends on how much is left, and not on whether something of it was taken: a byte every
 * minute is no reading.
 */
import type { ServerResponse } from 'node:http'
import type { Clock } from '../../base/index.ts'
import { IsochroneError } from '../../protocol/index.ts'

export interface TakingOptions {
  readonly clock: Clock
  readonly clientStallMs: number
}

/** 4 kB/s: what modems of the nineties did. */
const bytesPerMsMin = 4

/** To be called once the answer was ended. */
export function limitTaking(
  answer: ServerResponse,
  leave: (reason: IsochroneError) => void,
  options: TakingOptions,
): void {
  if (answer.destroyed) return
  // It waits behind another one of its connection.
  if (answer.socket === null) answer.once('socket', () => startLimit(answer, leave, options))
  else startLimit(answer, leave, options)
}

function startLimit(
  answer: ServerResponse,
  leave: (reason: IsochroneError) => void,
  { clock, clientStallMs }: TakingOptions,
): void {
  // Most answers are in the system's hands by now, and need no timer.
  const left = answer.writableLength
  if (left === 0) return
  const timer = clock.after(clientStallMs + left / bytesPerMsMin, () => {
    const message = `The client did not take the last ${left} bytes of its answer in time.`
    leave(new IsochroneError('client_closed_request', message))
    answer.destroy()
  })
  answer.once('close', () => timer.cancel())
}
