/**
 * API keys in a JSON file that holds only their hashes. Readable by its owner alone, replaced
 * atomically, and read again when another process (`isochrone keys`) changed it.
 */
import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { dirname } from 'node:path'
import {
  type Clock,
  json,
  type Log,
  type Random,
  type Static,
  Validator,
} from '../../base/index.ts'
import { IsochroneError } from '../../protocol/index.ts'
import type { Account, ApiKeys, KeyLimits, KeyRole } from './credentials.ts'
import { hashSecret, makeSecret, SecretTable } from './secrets.ts'

/** A revoked key stops working within this time. */
const changeCheckIntervalMs = 1000
/** A new key works at once; of a flood of wrong ones, 20 a second look at the file. */
const unknownCheckIntervalMs = 50
/** At 300 bytes each a file of 3 MB, rewritten whole on each change. */
const keysMax = 10_000
/** A change takes milliseconds; whoever holds its turn for this long has died. */
const turnMsMax = 5000
const turnPollMs = 20

const limit = json.nullable(json.number({ exclusiveMinimum: 0 }))
const keyEntry = json.object({
  id: json.string({ pattern: '^key_[a-z0-9]{1,32}$' }),
  name: json.string({ maxLength: 128 }),
  sha256: json.string({ pattern: '^[0-9a-f]{64}$' }),
  createdAtMs: json.number(),
  // Files of the first version name no role.
  role: json.optional(json.enum(['client', 'operator'])),
  limits: json.object({ requestsPerMinute: limit, tokensPerMinute: limit }),
})
const fileValidator = new Validator(
  json.object({ format: json.literal(1), keys: json.array(keyEntry, { maxItems: keysMax }) }),
)
type KeyEntry = Static<typeof keyEntry>

/** What may be shown of a key. */
export interface ApiKeyInfo {
  readonly id: string
  readonly name: string
  readonly role: KeyRole
  readonly createdAtMs: number
  readonly limits: KeyLimits
}

export interface ApiKeyFileModules {
  readonly clock: Clock
  readonly random: Random
  /** Told when the file is damaged while it is in use. */
  readonly log?: Log
}

export interface NewApiKey {
  readonly name: string
  /** Default: `client`. */
  readonly role?: KeyRole
  readonly limits?: Partial<KeyLimits>
}

export class ApiKeyFile implements ApiKeys {
  readonly #path: string
  readonly #modules: ApiKeyFileModules
  #entries: readonly KeyEntry[] = []
  #table = new SecretTable<Account>([])
  #version = ''
  /** Content that was read and is none: not read again until it changes. */
  #unusable: { readonly version: string; readonly error: IsochroneError } | undefined
  #damaged = false
  #checkedAtMs = Number.NEGATIVE_INFINITY

  /** Throws `storage_failed` when the file is there but cannot be read or is damaged. */
  constructor(path: string, modules: ApiKeyFileModules) {
    this.#path = path
    this.#modules = modules
    this.#load()
  }

  find(key: string): Account | undefined {
    const now = this.#modules.clock.monotonic()
    if (now - this.#checkedAtMs >= changeCheckIntervalMs) this.#reload(now)
    const found = this.#table.find(key)
    if (found !== undefined || now - this.#checkedAtMs < unknownCheckIntervalMs) return found
    this.#reload(now)
    return this.#table.find(key)
  }

  /** The key itself is returned here and nowhere else, ever. */
  create(options: NewApiKey): { readonly key: string; readonly info: ApiKeyInfo } {
    const key = makeSecret('iso', this.#modules.random)
    const entry: KeyEntry = {
      id: `key_${Buffer.from(this.#modules.random.bytes(6)).toString('hex')}`,
      name: options.name.slice(0, 128),
      sha256: hashSecret(key),
      role: options.role ?? 'client',
      createdAtMs: this.#modules.clock.now(),
      limits: {
        requestsPerMinute: options.limits?.requestsPerMinute ?? null,
        tokensPerMinute: options.limits?.tokensPerMinute ?? null,
      },
    }
    this.#change((entries) => {
      if (entries.length >= keysMax) throw this.#fault(`it holds ${keysMax} keys already`)
      return [...entries, entry]
    })
    return { key, info: infoOf(entry) }
  }

  list(): readonly ApiKeyInfo[] {
    this.#load()
    return this.#entries.map(infoOf)
  }

  /** false: there is no key of that id. */
  revoke(id: string): boolean {
    this.#load()
    const isThere = this.#entries.some((entry) => entry.id === id)
    if (isThere) this.#change((entries) => entries.filter((entry) => entry.id !== id))
    return isThere
  }

  /** Keys of files without roles were made as clients' keys, also those of this machine. */
  makeOperator(id: string): void {
    this.#change((entries) =>
      entries.map((entry) => (entry.id === id ? { ...entry, role: 'operator' as const } : entry)),
    )
  }

  /** A damaged file while running: the keys known so far stay valid. */
  #reload(now: number): void {
    this.#checkedAtMs = now
    try {
      this.#load()
      this.#damaged = false
    } catch (error) {
      if (!(error instanceof IsochroneError)) throw error
      if (!this.#damaged) {
        this.#modules.log?.error('API keys not read again', { error: error.message })
      }
      this.#damaged = true
    }
  }

  #load(): void {
    const version = this.#versionOf(this.#path)
    if (version === this.#version) return
    if (version === this.#unusable?.version) throw this.#unusable.error
    this.#use(version === '' ? [] : this.#read(version))
    this.#version = version
  }

  #read(version: string): readonly KeyEntry[] {
    let text: string
    try {
      text = readFileSync(this.#path, 'utf8')
    } catch (error) {
      // Tried again each time: permission given later changes no version.
      throw this.#fault('it cannot be read', error)
    }
    let content: unknown
    try {
      content = JSON.parse(text)
    } catch (error) {
      throw this.#unusableFrom(version, this.#fault('it cannot be read as JSON', error))
    }
    if (fileValidator.fits(content)) return content.keys
    throw this.#unusableFrom(version, this.#fault('its content is not a list of keys'))
  }

  #unusableFrom(version: string, error: IsochroneError): IsochroneError {
    this.#unusable = { version, error }
    return error
  }

  /** Of several processes that change the file, each builds on what the one before it wrote. */
  #change(changed: (entries: readonly KeyEntry[]) => readonly KeyEntry[]): void {
    const next = `${this.#path}.new`
    const file = this.#takeTurn(next)
    try {
      this.#load()
      const entries = changed(this.#entries)
      this.#write(file, entries)
      const version = this.#versionOf(next)
      renameSync(next, this.#path)
      this.#use(entries)
      this.#version = version
    } catch (error) {
      rmSync(next, { force: true })
      throw error instanceof IsochroneError ? error : this.#unwritable(error)
    }
  }

  #isAbandoned(next: string): boolean {
    const changedAtMs = statSync(next, { throwIfNoEntry: false })?.mtimeMs
    return changedAtMs !== undefined && this.#modules.clock.now() - changedAtMs > turnMsMax
  }

  #write(file: number, entries: readonly KeyEntry[]): void {
    try {
      writeFileSync(file, `${JSON.stringify({ format: 1, keys: entries }, null, 2)}\n`)
      fsyncSync(file)
    } finally {
      closeSync(file)
    }
  }

  /** Creates the next file, which only one process can; waits while another one has it. */
  #takeTurn(next: string): number {
    const pause = new Int32Array(new SharedArrayBuffer(4))
    for (let waitedMs = 0; ; waitedMs += turnPollMs) {
      try {
        mkdirSync(dirname(next), { recursive: true, mode: 0o700 })
        return openSync(next, 'wx', 0o600)
      } catch (error) {
        const { code } = error as { code?: unknown }
        if (code !== 'EEXIST') throw this.#unwritable(error)
      }
      if (waitedMs >= turnMsMax || this.#isAbandoned(next)) rmSync(next, { force: true })
      else Atomics.wait(pause, 0, 0, turnPollMs)
    }
  }

  #use(entries: readonly KeyEntry[]): void {
    this.#entries = entries
    this.#table = new SecretTable(entries.map((entry) => [entry.sha256, accountOf(entry)] as const))
  }

  /** Changes with every replacement of the file; empty: there is none. */
  #versionOf(path: string): string {
    try {
      const stat = statSync(path, { bigint: true, throwIfNoEntry: false })
      return stat === undefined ? '' : `${stat.ino}:${stat.mtimeNs}:${stat.size}`
    } catch (error) {
      throw this.#fault('it cannot be reached', error)
    }
  }

  #unwritable(cause: unknown): IsochroneError {
    const mend = 'Free space on its disk, or make its folder writable for this user.'
    const message = `The API key file ${this.#path} cannot be written. ${mend}`
    return new IsochroneError('storage_failed', message, { cause })
  }

  #fault(what: string, cause?: unknown): IsochroneError {
    const mend = 'Restore it, or move it away and create new keys.'
    const message = `The API key file ${this.#path}: ${what}. ${mend}`
    return new IsochroneError('storage_failed', message, { cause })
  }
}

function infoOf({ id, name, role = 'client', createdAtMs, limits }: KeyEntry): ApiKeyInfo {
  return { id, name, role, createdAtMs, limits }
}

function accountOf({ id, name, role = 'client', limits }: KeyEntry): Account {
  return { keyId: id, name, role, limits }
}
