/** What was appended and is not committed yet. */
import type { Observation } from '../../evidence/index.ts'
import { GroupBuffer } from './group-buffer.ts'
import { type EntryReader, readGroup } from './group-entries.ts'
import { observationOfRow } from './observation-rows.ts'

export interface Waiting {
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

/** Oldest first, and who waits for it. */
export interface Gathered {
  readonly buffer: GroupBuffer
  waiting: Waiting[]
}

export function emptyGroup(): Gathered {
  return { buffer: new GroupBuffer(), waiting: [] }
}

export function observationsOf({ buffer }: Gathered): number {
  let count = 0
  readGroup(buffer.bytes, {
    ...nothingRead,
    observation() {
      count += 1
    },
  })
  return count
}

/** To be read at once: the groups go on. */
export class Uncommitted {
  readonly #groups: readonly (Gathered | undefined)[]

  /** @param groups the older one first */
  constructor(groups: readonly (Gathered | undefined)[]) {
    this.#groups = groups
  }

  observations(): readonly Observation[] {
    const observations: Observation[] = []
    this.#read({
      observation(row) {
        const observation = observationOfRow(row)
        if (observation !== undefined) observations.push(observation)
      },
    })
    return observations
  }

  /** Their JSON by id, least recently put first. */
  decisions(): ReadonlyMap<string, string> {
    const decisions = new Map<string, string>()
    this.#read({
      decision({ id }, json) {
        decisions.delete(id)
        decisions.set(id, json.toString('utf8'))
      },
    })
    return decisions
  }

  /** The parts of a frame, in their order. */
  view(frame: string): readonly { readonly at: number; readonly bytes: Uint8Array }[] {
    const parts: { at: number; bytes: Uint8Array }[] = []
    this.#read({
      view(of, at, bytes) {
        if (of === frame) parts.push({ at, bytes: Uint8Array.from(bytes) })
      },
    })
    return parts
  }

  #read(what: Partial<EntryReader>): void {
    const reader = { ...nothingRead, ...what }
    for (const group of this.#groups) if (group !== undefined) readGroup(group.buffer.bytes, reader)
  }
}

const nothingRead: EntryReader = {
  observation() {},
  decision() {},
  sighting() {},
  incidentStep() {},
  ledgerEntry() {},
  view() {},
}
