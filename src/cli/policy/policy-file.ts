/**
 * The policy of a gateway that runs, from a file that is read again when it changes. What cannot be
 * read is refused aloud, and the policy before it stays.
 */
import { readFileSync, statSync } from 'node:fs'
import type { Clock, Log, Timer } from '../../base/index.ts'
import { asIsochroneError } from '../../protocol/index.ts'
import type { RoutingPolicy } from '../../routing/index.ts'
import { yamlBytesMax } from '../options/located-yaml.ts'
import { usageError } from '../options/usage-error.ts'
import { parsePolicy } from './parse-policy.ts'

export interface PolicyPath {
  /** As the person knows it, for messages. */
  readonly file: string
  /** Absolute. */
  readonly path: string
}

export interface PolicyFileModules {
  readonly clock: Clock
  readonly log: Log
  /** From here on it is in force. */
  readonly onPolicy: (policy: RoutingPolicy) => void
  /** For whoever runs this process; the log has it too. */
  readonly onRefused: (words: string) => void
}

/**
 * Twice in a row a file has to look the same before it is read, since it may be half written: so a
 * change is in force within a second.
 */
const lookIntervalMs = 400

export class PolicyFile {
  readonly #path: PolicyPath
  readonly #modules: PolicyFileModules
  #policy: RoutingPolicy
  /** What was read, and followed or refused. */
  #known: string
  #seen: string
  /** What could not be read: it is tried again, and told once. */
  #unread: string | undefined
  #timer: Timer | undefined

  /** @throws IsochroneError `invalid_configuration` */
  constructor(path: PolicyPath, modules: PolicyFileModules) {
    this.#path = path
    this.#modules = modules
    this.#known = versionOf(path.path)
    this.#seen = this.#known
    this.#policy = readPolicy(path)
  }

  get policy(): RoutingPolicy {
    return this.#policy
  }

  watch(): void {
    this.#timer = this.#modules.clock.after(lookIntervalMs, () => {
      this.look()
      this.watch()
    })
  }

  stop(): void {
    this.#timer?.cancel()
  }

  look(): void {
    const version = versionOf(this.#path.path)
    const isSettled = version === this.#seen
    this.#seen = version
    if (!isSettled || version === this.#known) return
    let text: string
    try {
      text = readText(this.#path)
    } catch (error) {
      // For want of a file descriptor, or of a disk that answers: neither changes the file.
      if (this.#unread !== version) this.#refuse(error)
      this.#unread = version
      return
    }
    this.#unread = undefined
    // Written to while it was read: half of a policy may well be one.
    if (versionOf(this.#path.path) !== version) return
    this.#known = version
    try {
      this.#follow(parsePolicy({ file: this.#path.file, text }))
    } catch (error) {
      this.#refuse(error)
    }
  }

  #follow(policy: RoutingPolicy): void {
    const { log, onPolicy } = this.#modules
    const before = this.#policy.version
    if (policy.version === before) return
    this.#policy = policy
    onPolicy(policy)
    log.info('another policy is in force', { policy: policy.version, before })
  }

  #refuse(error: unknown): void {
    const { log, onRefused } = this.#modules
    const stays = `the policy ${this.#policy.version} stays in force`
    const words = `${asIsochroneError(error).message}; ${stays}`
    log.error('a policy is refused', { error: words })
    onRefused(words)
  }
}

/** @throws IsochroneError `invalid_configuration` */
export function readPolicy(path: PolicyPath): RoutingPolicy {
  return parsePolicy({ file: path.file, text: readText(path) })
}

/** A pipe would be waited for by the whole gateway, and so would gigabytes. */
function readText({ file, path }: PolicyPath): string {
  let fault = ''
  try {
    const stats = statSync(path)
    if (!stats.isFile()) fault = 'it is no regular file'
    else if (stats.size <= yamlBytesMax) return readFileSync(path, 'utf8')
    else fault = `it is larger than ${yamlBytesMax} bytes`
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    fault = code === 'ENOENT' ? 'there is no such file' : String(error)
  }
  throw usageError(`cannot read the policy ${file}: ${fault}`)
}

/** Changes with the file; empty: it cannot be reached. */
function versionOf(path: string): string {
  try {
    const { ino, mtimeNs, size } = statSync(path, { bigint: true })
    return `${ino}:${mtimeNs}:${size}`
  } catch {
    return ''
  }
}
