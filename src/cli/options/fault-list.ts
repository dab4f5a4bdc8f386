/** Mistakes in one file: whoever mends it is told all of them at once, by their lines. */
import { hasCode, type IsochroneError } from '../../protocol/index.ts'
import { usageError } from './usage-error.ts'

/** Whoever has mended these is told the rest. */
const faultsMax = 50

export class FaultList {
  readonly #file: string
  readonly #found: string[] = []

  constructor(file: string) {
    this.#file = file
  }

  get isEmpty(): boolean {
    return this.#found.length === 0
  }

  note(fault: string): void {
    this.#found.push(fault)
  }

  /** @returns undefined: it is faulty, which is noted */
  attempt<T>(read: () => T): T | undefined {
    try {
      return read()
    } catch (error) {
      if (!hasCode(error, 'invalid_configuration')) throw error
      this.note((error as IsochroneError).message)
      return undefined
    }
  }

  /** @throws IsochroneError `invalid_configuration`, with a line for each */
  throwAny(): void {
    if (this.isEmpty) return
    const ordered = [...this.#found].sort((a, b) => this.#placeOf(a) - this.#placeOf(b))
    const told = ordered.slice(0, faultsMax)
    const more = ordered.length - told.length
    if (more > 0) told.push(`and ${more} more`)
    throw usageError(told.join('\n'))
  }

  /** Line and column, as one number. */
  #placeOf(fault: string): number {
    const [, line = 0, column = 0] = /^:(\d+):(\d+): /.exec(fault.slice(this.#file.length)) ?? []
    return Number(line) * columnsMax + Number(column)
  }
}

/** A file is no larger: no column is further right. */
const columnsMax = 2 ** 21
