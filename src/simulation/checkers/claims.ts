/** Which cluster each running host says that it is in. */
export class Claims {
  readonly #clusterOf: (string | undefined)[]
  readonly #members = new Map<string, Set<number>>()
  /** Clusters whose members are others than at the last look. */
  readonly #changed = new Set<string>()

  constructor(hosts: number) {
    this.#clusterOf = new Array<undefined>(hosts).fill(undefined)
  }

  /** @param cluster undefined: in none, or gone */
  note(host: number, cluster: string | undefined): void {
    const before = this.#clusterOf[host]
    if (before === cluster) return
    if (before !== undefined) this.#leave(host, before)
    this.#clusterOf[host] = cluster
    if (cluster === undefined) return
    const members = this.#members.get(cluster)
    if (members === undefined) this.#members.set(cluster, new Set([host]))
    else members.add(host)
    this.#changed.add(cluster)
  }

  clusterOf(host: number): string | undefined {
    return this.#clusterOf[host]
  }

  membersOf(cluster: string): ReadonlySet<number> {
    return this.#members.get(cluster) ?? nobody
  }

  clusters(): Iterable<[cluster: string, members: ReadonlySet<number>]> {
    return this.#members
  }

  get clusterCount(): number {
    return this.#members.size
  }

  takeChanged(): readonly string[] {
    const changed = [...this.#changed]
    this.#changed.clear()
    return changed
  }

  #leave(host: number, cluster: string): void {
    const members = this.#members.get(cluster)
    members?.delete(host)
    if (members?.size === 0) this.#members.delete(cluster)
    this.#changed.add(cluster)
  }
}

const nobody: ReadonlySet<number> = new Set()
