/**
 * Which models came from which commit of a hub: `.pulled/KEY-QUANTISATION.NAME.json` with the
 * model's digest. So a pull of what is there already ends at once, and one whose name is taken ends
 * before it downloads anything.
 */
import { createHash } from 'node:crypto'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { IsochroneError } from '../protocol/index.ts'
import { nameTaken } from './import-model.ts'
import type { ModelManifest, Quantisation } from './manifest.ts'
import { checkModelName, openModel } from './store.ts'

export function keyOf(hub: string, id: string, commit: string): string {
  return createHash('sha256').update(`${hub}\0${id}\0${commit}`).digest('hex').slice(0, 32)
}

export class PulledModel {
  readonly #storeDir: string
  readonly #name: string
  readonly #note: string

  constructor(
    storeDir: string,
    model: { readonly key: string; readonly quantisation: Quantisation; readonly name: string },
  ) {
    const { key, quantisation } = model
    this.#storeDir = storeDir
    this.#name = checkModelName(model.name)
    const file = `${key}-${quantisation}.${this.#name}.json`
    this.#note = path.join(storeDir, '.pulled', file)
  }

  /**
   * The model, if this very one is in the store under its name.
   * @throws IsochroneError `invalid_configuration` where another one has the name
   */
  async find(): Promise<ModelManifest | undefined> {
    const there = await openModel(this.#storeDir, this.#name).catch((error: unknown) => {
      if (!(error instanceof IsochroneError)) throw error
    })
    if (there === undefined) return undefined
    const noted = await readFile(this.#note, 'utf8').catch(() => '')
    if (noted.trim() === JSON.stringify(there.manifest.digest)) return there.manifest
    throw nameTaken(this.#storeDir, this.#name, 'another model, or another version,')
  }

  /** It is only a note: without it the next pull says that the name is taken. */
  async remember({ digest }: ModelManifest): Promise<void> {
    try {
      await mkdir(path.dirname(this.#note), { recursive: true })
      await writeFile(this.#note, `${JSON.stringify(digest)}\n`)
    } catch {
      // The model itself is safe.
    }
  }
}
