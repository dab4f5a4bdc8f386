/**
 * The policy of a gateway that runs, from a file that is read again when it changes. What cannot be
 * read is refused aloud, and the policy before it stays.
 */
import { readFileSync, statSync } from 'node:fs'
import type { Clock, Log, Timer } from '../../base/index.ts'
import { asIsochroneError } from '../../protocol/index.ts'
import type { RoutingPolicy } from '../../routing/index.ts'
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
  /** What was read, or refused. */
  #known: string
  #seen: string
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
    this.#known = version
    const { log, onPolicy, onRefused } = this.#modules
    const before = this.#policy.version
    try {
      const policy = readPolicy(this.#path)
      if (policy.version === before) return
      this.#policy = policy
      onPolicy(policy)
      log.info('another policy is in force', { policy: policy.version, before })
    } catch (error) {
      const words = `${asIsochroneError(error).message}; the policy ${before} stays in force`
      log.error('a policy is refused', { error: words })
      onRefused(words)
    }
  }
}

/** @throws IsochroneError `invalid_configuration` */
export function readPolicy({ file, path }: PolicyPath): RoutingPolicy {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    const reason = code === 'ENOENT' ? 'there is no such file' : String(error)
    throw usageError(`cannot read the policy ${file}: ${reason}`)
  }
  return parsePolicy({ file, text })
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
