/** Decisions in the file, and what waits to get there. */
import type { SQLOutputValue } from 'node:sqlite'
import { type DecisionId, IsochroneError } from '../../protocol/index.ts'
import {
  type Decision,
  type DecisionStore,
  type KeptDecision,
  reviveDecision,
  sealAlone,
  sealIn,
  type ViewPiece,
} from '../../routing/index.ts'
import { selectKept, selectView } from './group.ts'
import type { Shared } from './open-file.ts'
import { storageFailed } from './storage-error.ts'

const selectOfKey = 'SELECT json FROM decisions WHERE key_id = ? ORDER BY sequence DESC LIMIT ?'

export class SqliteDecisionStore implements DecisionStore {
  readonly #shared: Shared
  readonly close: () => Promise<void>

  constructor(shared: Shared, close: () => Promise<void>) {
    this.#shared = shared
    this.close = close
  }

  put(decision: Decision): void {
    this.#shared.writer.putDecision(decision)
  }

  get(id: DecisionId): Decision | undefined {
    const uncommitted = this.#shared.writer.uncommitted.decisions().get(id)
    if (uncommitted !== undefined) return this.#revived(uncommitted)[0]
    const [row] = this.#rows('SELECT json FROM decisions WHERE id = ?', id)
    return row
  }

  kept(id: DecisionId): KeptDecision | undefined {
    const { database, file, log, signer, writer } = this.#shared
    const uncommitted = writer.uncommitted.decisions().get(id)
    if (uncommitted !== undefined) {
      const seal = signer === undefined ? null : sealAlone(signer, uncommitted)
      return { text: uncommitted, seal }
    }
    try {
      const row = database.prepare(selectKept).get(id)
      return row === undefined ? undefined : keptIn(row)
    } catch (error) {
      log.error('a decision could not be read', { error: storageFailed(file, error).message })
      return undefined
    }
  }

  putView(piece: ViewPiece): void {
    this.#shared.writer.putView(piece)
  }

  view(frame: string): Uint8Array | undefined {
    const { database, file, log, writer } = this.#shared
    // What is being committed may be in both: read first, so that nothing is in neither.
    const uncommitted = writer.uncommitted.view(frame)
    const pieces: Uint8Array[] = []
    let length = 0
    const add = (at: unknown, bytes: unknown) => {
      if (at !== length || !(bytes instanceof Uint8Array)) return
      pieces.push(bytes)
      length += bytes.length
    }
    try {
      for (const { at, bytes } of database.prepare(selectView).iterate(frame)) add(at, bytes)
    } catch (error) {
      log.error('a view could not be read', { error: storageFailed(file, error).message })
    }
    for (const { at, bytes } of uncommitted) add(at, bytes)
    return length === 0 ? undefined : Buffer.concat(pieces)
  }

  get decisionsMax(): number {
    return this.#shared.decisionsMax
  }

  recent(count: number, keyId?: string): readonly Decision[] {
    const wanted = Math.min(Math.max(0, Math.floor(count)), this.#shared.decisionsMax)
    const uncommitted = this.#shared.writer.uncommitted.decisions()
    const newest: Decision[] = []
    for (const json of [...uncommitted.values()].reverse()) {
      if (newest.length === wanted) return newest
      const [decision] = this.#revived(json)
      if (decision === undefined) continue
      if (keyId === undefined || decision.keyId === keyId) newest.push(decision)
    }
    const rows =
      keyId === undefined
        ? this.#rows('SELECT json FROM decisions ORDER BY sequence DESC LIMIT ?', wanted)
        : this.#rows(selectOfKey, keyId, wanted)
    const kept = rows.filter(({ id }) => !uncommitted.has(id))
    return [...newest, ...kept].slice(0, wanted)
  }

  flush(): Promise<void> {
    return this.#shared.writer.flush()
  }

  /** Damaged ones are logged and left out: the others are still worth reading. */
  #rows(select: string, ...parameters: readonly (string | number)[]): readonly Decision[] {
    const { database, log, file } = this.#shared
    try {
      const rows = database.prepare(select).all(...parameters)
      return rows.flatMap((row) => this.#revived(row['json']))
    } catch (error) {
      log.error('decisions could not be read', { error: storageFailed(file, error).message })
      return []
    }
  }

  #revived(json: unknown): readonly Decision[] {
    try {
      return [reviveDecision(json)]
    } catch (error) {
      if (!(error instanceof IsochroneError)) throw error
      this.#shared.log.warn('a damaged decision was left out', { error: error.message })
      return []
    }
  }
}

function keptIn(row: Readonly<Record<string, SQLOutputValue>>): KeptDecision | undefined {
  const { json: text, gateway, leaf, leaves, signature } = row
  if (typeof text !== 'string') return undefined
  if (!(leaves instanceof Uint8Array) || !(signature instanceof Uint8Array)) {
    return { text, seal: null }
  }
  const seal = sealIn({ gateway: String(gateway), leaves, signature }, Number(leaf))
  return { text, seal: seal ?? null }
}
