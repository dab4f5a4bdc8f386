/**
 * A file that a process which serves keeps anew now and then. A disk that is busy with something
 * else takes seconds to flush a page; nobody else waits for it.
 */
import { writeInBackground } from './atomic-file.ts'

interface Waiting {
  content: string
  readonly written: Promise<void>
}

export class BackgroundFile {
  readonly #file: string
  readonly #mode: number
  readonly #write: typeof writeInBackground
  #waiting: Waiting | undefined
  #last: Promise<void> = Promise.resolve()

  /** @param mode 0o600: for its owner alone */
  constructor(file: string, mode: number, write = writeInBackground) {
    this.#file = file
    this.#mode = mode
    this.#write = write
  }

  /**
   * The newest content wins: what still waits behind a write in progress is never written.
   * @returns when this content, or a newer one, is on the disk
   * @throws IsochroneError `storage_failed`; what was there stays
   */
  write(content: string): Promise<void> {
    if (this.#waiting !== undefined) {
      this.#waiting.content = content
      return this.#waiting.written
    }
    const written = this.#last.then(() => this.#writeWaiting())
    this.#waiting = { content, written }
    this.#last = written.catch(() => {})
    return written
  }

  /** Nothing waits to be written; whoever wrote knows what failed. */
  settled(): Promise<void> {
    return this.#last
  }

  #writeWaiting(): Promise<void> {
    const content = this.#waiting?.content ?? ''
    this.#waiting = undefined
    return this.#write(this.#file, content, this.#mode)
  }
}
