/**
 * Sightings and incidents: rare, and read when a gateway starts. What waits for the disk is not
 * read from here: whoever wrote it has it in memory.
 */
import type { SQLOutputValue } from 'node:sqlite'
import type {
  IncidentId,
  IncidentStore,
  Sighting,
  SightingStore,
  SignedStep,
  Step,
} from '../../evidence/index.ts'
import { selectIncidentSteps, selectSightings, selectStepsOfIncident } from './group.ts'
import { sightingOf } from './observation-rows.ts'
import type { Shared } from './open-file.ts'
import { storageFailed } from './storage-error.ts'

export class SqliteSightingStore implements SightingStore {
  readonly #shared: Shared

  constructor(shared: Shared) {
    this.#shared = shared
  }

  append(sighting: Sighting): void {
    this.#shared.writer.appendSighting(sighting)
  }

  flush(): Promise<void> {
    return this.#shared.writer.flush()
  }

  since(atMs: number): Iterable<Sighting> {
    return readAll(
      this.#shared,
      { select: selectSightings, from: [atMs], what: 'sightings' },
      sightingOf,
    )
  }
}

export class SqliteIncidentStore implements IncidentStore {
  readonly #shared: Shared

  constructor(shared: Shared) {
    this.#shared = shared
  }

  append({ json, signature }: SignedStep, { incident, step }: Pick<Step, 'incident' | 'step'>) {
    this.#shared.writer.appendIncidentStep([incident, step, json, signature])
  }

  flush(): Promise<void> {
    return this.#shared.writer.flush()
  }

  all(): Iterable<SignedStep> {
    return readAll(
      this.#shared,
      { select: selectIncidentSteps, from: [], what: 'incidents' },
      stepOf,
    )
  }

  of(incident: IncidentId): Iterable<SignedStep> {
    return readAll(
      this.#shared,
      { select: selectStepsOfIncident, from: [incident], what: 'incidents' },
      stepOf,
    )
  }
}

interface Asked {
  readonly select: string
  readonly from: readonly (number | string)[]
  readonly what: string
}

/** Damaged ones are logged and left out. */
export function* readAll<T>(
  { database, file, log }: Shared,
  { select, from, what }: Asked,
  revive: (row: Readonly<Record<string, SQLOutputValue>>) => T | undefined,
): Iterable<T> {
  let damaged = 0
  try {
    for (const row of database.prepare(select).iterate(...from)) {
      const one = revive(row)
      if (one === undefined) damaged += 1
      else yield one
    }
  } catch (error) {
    log.error(`${what} could not be read`, { error: storageFailed(file, error).message })
  }
  if (damaged > 0) log.warn(`damaged ${what} were left out`, { file, damaged })
}

function stepOf(row: Readonly<Record<string, SQLOutputValue>>): SignedStep | undefined {
  const { json, signature } = row
  return typeof json === 'string' && typeof signature === 'string' ? { json, signature } : undefined
}
