/** Which cluster each running host says that it is in. */
export const noCluster = -1

interface Claimed {
  readonly name: string
  /** Texts of reports are copies: a number for each cluster is sooner compared. */
  readonly number: number
  readonly hosts: Set<number>
}

export class Claims {
  readonly #clusterOf: (string | undefined)[]
  readonly #numberOf: Int32Array
  #numbers = 0
  readonly #claimed = new Map<string, Claimed>()
  /** Clusters whose members are others than at the last look. */
  readonly #changed = new Set<string>()

  constructor(hosts: number) {
    this.#clusterOf = new Array<undefined>(hosts).fill(undefined)
    this.#numberOf = new Int32Array(hosts).fill(noCluster)
  }

  /** @param cluster undefined: in none, or gone */
  note(host: number, cluster: string | undefined): void {
    const before = this.#clusterOf[host]
    if (before === cluster) return
    if (before !== undefined) this.#leave(host, before)
    this.#clusterOf[host] = cluster
    this.#numberOf[host] = noCluster
    if (cluster === undefined) return
    const claimed = this.#claimed.get(cluster) ?? this.#add(cluster)
    claimed.hosts.add(host)
    this.#numberOf[host] = claimed.number
    this.#changed.add(cluster)
  }

  clusterOf(host: number): string | undefined {
    return this.#clusterOf[host]
  }

  /** Equal for hosts of one cluster; `noCluster` for those in none. */
  numberOf(host: number): number {
    return this.#numberOf[host] as number
  }

  membersOf(cluster: string): ReadonlySet<number> {
    return this.#claimed.get(cluster)?.hosts ?? nobody
  }

  *clusters(): Iterable<[cluster: string, members: ReadonlySet<number>]> {
    for (const { name, hosts } of this.#claimed.values()) yield [name, hosts]
  }

  get clusterCount(): number {
    return this.#claimed.size
  }

  takeChanged(): readonly string[] {
    const changed = [...this.#changed]
    this.#changed.clear()
    return changed
  }

  #add(name: string): Claimed {
    const claimed = { name, number: this.#numbers, hosts: new Set<number>() }
    this.#numbers += 1
    this.#claimed.set(name, claimed)
    return claimed
  }

  #leave(host: number, cluster: string): void {
    const hosts = this.#claimed.get(cluster)?.hosts
    hosts?.delete(host)
    if (hosts?.size === 0) this.#claimed.delete(cluster)
    this.#changed.add(cluster)
  }
}

const nobody: ReadonlySet<number> = new Set()
