/**
 * The calls that peers have open here, each until its last byte was handed on: a node that drains
 * must not close a connection under an answer that is made but not yet sent.
 */
import type { Stream, TransportEvents } from '../transport/index.ts'

export class OpenCalls {
  #open = 0
  #onNone: (() => void)[] = []

  /** The same handler, with its streams counted. */
  counting(onStream: TransportEvents['onStream']): TransportEvents['onStream'] {
    return (stream, connection) => {
      this.#open += 1
      let isOpen = true
      const onEnd = () => {
        if (!isOpen) return
        isOpen = false
        stream.signal.removeEventListener('abort', onEnd)
        this.#ended()
      }
      stream.signal.addEventListener('abort', onEnd)
      if (stream.signal.aborted) onEnd()
      onStream(watchEnd(stream, onEnd), connection)
    }
  }

  /** Resolves when there is none. */
  none(): Promise<void> {
    if (this.#open === 0) return Promise.resolve()
    return new Promise((resolve) => this.#onNone.push(resolve))
  }

  #ended(): void {
    this.#open -= 1
    if (this.#open > 0) return
    const waiting = this.#onNone
    this.#onNone = []
    for (const resolve of waiting) resolve()
  }
}

function watchEnd(stream: Stream, onEnd: () => void): Stream {
  return {
    metadata: stream.metadata,
    signal: stream.signal,
    get trailers() {
      return stream.trailers
    },
    send: (message) => stream.send(message),
    messages: () => stream.messages(),
    cancel: (reason) => stream.cancel(reason),
    end: (trailers) => stream.end(trailers).finally(onEnd),
  }
}
