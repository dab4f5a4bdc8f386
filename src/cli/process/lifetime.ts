/**
 * How long a gateway or node process lives: until a signal, its parent's word, or its parent's end.
 */
import type { StopRequest } from './child-report.ts'

export interface Lifetime {
  /** Aborts when the process should stop in order. */
  readonly stopping: AbortSignal
  release(): void
}

/**
 * Some stop without a word, for example on `kill -9` of the parent: then there is nobody to finish
 * for.
 */
const orphanExitMs = 2_000
/** npm passes a Ctrl-C on that the terminal delivered already: the same wish, not impatience. */
const impatienceMs = 1_000
const groupSignals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

export function watchLifetime(onImpatient: () => void = () => process.exit(130)): Lifetime {
  const stop = new AbortController()
  const supervised = process.connected === true
  // Keeps the process alive while nothing else does, for example between two attempts to join.
  const alive = setInterval(() => {}, 60_000)
  let firstAt: number | undefined
  const onSignal = () => {
    if (firstAt !== undefined && Date.now() - firstAt > impatienceMs) onImpatient()
    firstAt ??= Date.now()
    stop.abort()
  }
  // A signal to the whole group, as a terminal's Ctrl-C, reaches every process; a supervised one
  // waits for its parent's word or end.
  const onGroupSignal = supervised ? () => {} : onSignal
  const onMessage = (message: unknown) => {
    if ((message as StopRequest | undefined)?.type === 'stop') stop.abort()
  }
  const onDisconnect = () => {
    stop.abort()
    setTimeout(() => process.exit(1), orphanExitMs)
  }
  for (const signal of groupSignals) process.on(signal, onGroupSignal)
  if (supervised) {
    process.on('message', onMessage)
    process.on('disconnect', onDisconnect)
  }
  return {
    stopping: stop.signal,
    release() {
      clearInterval(alive)
      for (const signal of groupSignals) process.off(signal, onGroupSignal)
      process.off('message', onMessage)
      process.off('disconnect', onDisconnect)
    },
  }
}

export function whenStopping(lifetime: Lifetime): Promise<void> {
  const { stopping } = lifetime
  if (stopping.aborted) return Promise.resolve()
  return new Promise((resolve) => stopping.addEventListener('abort', () => resolve()))
}
