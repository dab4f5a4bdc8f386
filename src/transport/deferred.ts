/** Promises that somebody else settles. */

export interface Deferred<T> {
  readonly promise: Promise<T>
  readonly resolve: (value: T | PromiseLike<T>) => void
  readonly reject: (error: unknown) => void
}

/** A promise whose rejection is no fault of the program when nobody waits for it. */
export function deferred<T>(): Deferred<T> {
  const made = Promise.withResolvers<T>()
  made.promise.catch(() => {})
  return made
}

export const done: Promise<void> = Promise.resolve()
