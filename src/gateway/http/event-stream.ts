/**
 * A stream of server-sent events to one client, with back-pressure: whoever writes waits until the
 * client took what is there, and so does the worker behind.
 */
import type { ServerResponse } from 'node:http'
import { IsochroneError } from '../../protocol/index.ts'
import { limitTaking, type TakingOptions } from './taking-limit.ts'

export class EventStream {
  readonly #raw: ServerResponse
  readonly #leave: (reason: IsochroneError) => void
  readonly #options: TakingOptions

  constructor(
    raw: ServerResponse,
    leave: (reason: IsochroneError) => void,
    options: TakingOptions,
  ) {
    this.#raw = raw
    this.#leave = leave
    this.#options = options
  }

  /** Whole events; undefined when there is room for more, otherwise what to wait for. */
  write(text: string): Promise<void> | undefined {
    if (this.#raw.destroyed || this.#raw.write(text)) return undefined
    return this.#drained()
  }

  end(text: string): void {
    if (this.#raw.destroyed) return
    this.#raw.end(text)
    limitTaking(this.#raw, this.#leave, this.#options)
  }

  /** Resolves when there is room, and also when the client is gone: its signal says so. */
  #drained(): Promise<void> {
    const { clock, clientStallMs } = this.#options
    return new Promise((resolve) => {
      const done = () => {
        timer.cancel()
        this.#raw.off('drain', done)
        this.#raw.off('close', done)
        resolve()
      }
      const timer = clock.after(clientStallMs, () => {
        const message = `The client took nothing for ${clientStallMs} ms.`
        this.#leave(new IsochroneError('client_closed_request', message))
        this.#raw.destroy()
        done()
      })
      this.#raw.on('drain', done)
      this.#raw.on('close', done)
    })
  }
}
