/** Keeps the last view for the next start: not with every change, and at the end. */
import type { Clock, Log, Timer } from '../../base/index.ts'
import { asIsochroneError } from '../../protocol/index.ts'
import type { Contact, ContactStore } from './contacts.ts'

export interface ViewKeeperModules {
  readonly clock: Clock
  readonly log: Log
  readonly contacts: ContactStore
  /** Who is known now. */
  readonly known: () => readonly Contact[]
}

export class ViewKeeper {
  readonly #intervalMs: number
  readonly #modules: ViewKeeperModules
  #timer: Timer | undefined

  constructor(intervalMs: number, modules: ViewKeeperModules) {
    this.#intervalMs = intervalMs
    this.#modules = modules
  }

  changed(): void {
    this.#timer ??= this.#modules.clock.after(this.#intervalMs, () => this.#save())
  }

  /** What changed is kept now. */
  close(): void {
    if (this.#timer !== undefined) this.#save()
  }

  #save(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    const { contacts, known, log } = this.#modules
    const reachable = known().filter(({ addresses }) => addresses.length > 0)
    // Whoever was alone for a while keeps what it knew.
    if (reachable.length === 0) return
    try {
      contacts.save(reachable)
    } catch (error) {
      const reason = asIsochroneError(error).message
      log.warn('the view of the mesh is not kept', { reason })
    }
  }
}
