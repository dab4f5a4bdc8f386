/**
 * Connections to other members, dialled when there is something to say, used whoever dialled.
 *
 * Two members that dial each other at once keep the connection that the lower id dialled. What
 * cannot be sent now is thrown away: members repeat themselves.
 */
import type { Clock, Log, Random, Timer } from '../../base/index.ts'
import { asIsochroneError, IsochroneError, type NodeId, shortId } from '../../protocol/index.ts'
import type { Connection, Transport } from '../../transport/index.ts'
import { Channel } from './channel.ts'
import type { AgentLimits } from './limits.ts'

export interface PeersModules {
  readonly self: NodeId
  readonly transport: Pick<Transport, 'dial'>
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  /** Where a peer can be dialled. */
  readonly addressesOf: (id: NodeId) => readonly string[]
}

interface Path {
  readonly connection: Connection
  /** By this agent, which may also close it. */
  readonly isDialled: boolean
  channel: Channel | undefined
  /** Whoever owns it watches it as usual. */
  readonly isOwned: boolean
  /** Its peer refused to listen. */
  notBeforeMs: number
  usedAtMs: number
}

interface Dialling {
  /** Dial under way. */
  isNow: boolean
  failures: number
  notBeforeMs: number
  readonly waiting: Uint8Array[]
  waitingBytes: number
}

/** Two that dialled each other, and one that the peer's earlier life left behind. */
const pathsPerPeerMax = 4

export class Peers {
  readonly #limits: AgentLimits
  readonly #modules: PeersModules
  readonly #paths = new Map<NodeId, Path[]>()
  readonly #dialling = new Map<NodeId, Dialling>()
  readonly #stop = new AbortController()
  #dialsNow = 0
  /** Of all that wait for peers to be dialled. */
  #waitingBytes = 0

  constructor(limits: AgentLimits, modules: PeersModules) {
    this.#limits = limits
    this.#modules = modules
  }

  /** A connection over which this peer can be told something. */
  isConnected(id: NodeId): boolean {
    return this.#paths.has(id)
  }

  connected(): readonly NodeId[] {
    return [...this.#paths.keys()]
  }

  /** Where its connection shows it to be. */
  addressOf(id: NodeId): string | undefined {
    return this.#paths.get(id)?.[0]?.connection.remoteAddress
  }

  /** Uses a connection that its peer dialled. */
  adopt(connection: Connection): void {
    this.#add(connection, { isDialled: false, isOwned: false })
  }

  /** Uses a connection that this process has for another reason. */
  share(connection: Connection): void {
    this.#add(connection, { isDialled: false, isOwned: true })
  }

  /**
   * Sends it now, or when the peer has been dialled.
   * @returns whether there is a way to the peer; where there is one, it may still not arrive
   */
  send(to: NodeId, packet: Uint8Array): boolean {
    const path = this.#bestPath(to)
    if (path === undefined) return this.isConnected(to) || this.#dialFor(to, packet)
    path.usedAtMs = this.#modules.clock.monotonic()
    if (path.channel === undefined || path.channel.endedBecause !== undefined) {
      path.channel = new Channel(path.connection, this.#limits.unsentBytesMax)
    }
    path.channel.send(packet)
    return true
  }

  /**
   * Closes what was dialled here and is idle; to be called now and then.
   * @param isWatched whether membership alone needs to know that the peer is there
   */
  sweep(isWatched: (id: NodeId) => boolean): void {
    const nowMs = this.#modules.clock.monotonic()
    for (const [id, paths] of this.#paths) {
      for (const path of paths) {
        if (!path.isOwned && isWatched(id)) path.connection.probeEvery(this.#limits.probeIntervalMs)
        if (path.isDialled && nowMs - path.usedAtMs > this.#limits.idleMs) closeQuietly(path)
      }
    }
    for (const [id, { isNow, notBeforeMs }] of this.#dialling) {
      if (!isNow && nowMs - notBeforeMs > this.#limits.idleMs) this.#forget(id)
    }
  }

  close(): void {
    this.#stop.abort(new IsochroneError('cancelled', 'the mesh agent is stopping'))
    for (const paths of this.#paths.values()) {
      for (const path of paths) {
        path.channel?.close()
        if (path.isDialled) closeQuietly(path)
      }
    }
  }

  /** The first that is neither refused nor overdue; an overdue one is better than none. */
  #bestPath(to: NodeId): Path | undefined {
    const nowMs = this.#modules.clock.monotonic()
    let overdue: Path | undefined
    for (const path of this.#paths.get(to) ?? []) {
      const ended = path.channel?.endedBecause
      if (ended !== undefined && path.notBeforeMs === 0) {
        // Once it may have been chance; a peer that goes on refusing is left alone for a while.
        path.notBeforeMs = nowMs + this.#limits.refusedMs
        this.#modules.log.debug('a peer takes no gossip', { peer: shortId(to), reason: ended })
      }
      if (path.notBeforeMs > nowMs) continue
      path.notBeforeMs = 0
      if (ended !== undefined) path.channel = undefined
      if (!path.connection.link().overdue) return path
      overdue ??= path
    }
    return overdue
  }

  #add(connection: Connection, whose: Pick<Path, 'isDialled' | 'isOwned'>): void {
    const id = connection.peer
    const paths = this.#paths.get(id) ?? []
    if (paths.some((path) => path.connection === connection)) return
    if (paths.length >= pathsPerPeerMax) return
    const usedAtMs = this.#modules.clock.monotonic()
    paths.push({ connection, ...whose, channel: undefined, notBeforeMs: 0, usedAtMs })
    this.#paths.set(id, paths)
    this.#closeSecond(id, paths)
    void connection.closed.then(() => this.#remove(id, connection))
  }

  /** One's own, when both dialled and the peer's id is the lower. */
  #closeSecond(id: NodeId, paths: readonly Path[]): void {
    if (paths.length < 2 || id > this.#modules.self) return
    if (paths.some((path) => !path.isDialled)) {
      for (const path of paths) if (path.isDialled) closeQuietly(path)
    }
  }

  #remove(id: NodeId, connection: Connection): void {
    const left = (this.#paths.get(id) ?? []).filter((path) => path.connection !== connection)
    if (left.length === 0) this.#paths.delete(id)
    else this.#paths.set(id, left)
  }

  #dialFor(to: NodeId, packet: Uint8Array): boolean {
    const addresses = this.#modules.addressesOf(to)
    if (addresses.length === 0 || this.#stop.signal.aborted) return false
    const known = this.#dialling.get(to)
    const none = { isNow: false, failures: 0, notBeforeMs: 0, waiting: [], waitingBytes: 0 }
    const dialling: Dialling = known ?? none
    if (known === undefined) this.#dialling.set(to, dialling)
    this.#keep(dialling, packet)
    const isTooEarly = dialling.notBeforeMs > this.#modules.clock.monotonic()
    if (dialling.isNow || isTooEarly || this.#dialsNow >= this.#limits.diallingMax) return true
    if (this.#dialledCount() < this.#limits.dialledMax) void this.#dial(to, addresses, dialling)
    return true
  }

  /** Where there is room. */
  #keep(dialling: Dialling, packet: Uint8Array): void {
    const { waitingBytesMax, waitingMax, waitingTotalBytesMax } = this.#limits
    if (dialling.waiting.length >= waitingMax) return
    if (dialling.waitingBytes + packet.length > waitingBytesMax) return
    if (this.#waitingBytes + packet.length > waitingTotalBytesMax) return
    dialling.waiting.push(packet)
    dialling.waitingBytes += packet.length
    this.#waitingBytes += packet.length
  }

  #takeWaiting(dialling: Dialling): Uint8Array[] {
    this.#waitingBytes -= dialling.waitingBytes
    dialling.waitingBytes = 0
    return dialling.waiting.splice(0)
  }

  #forget(id: NodeId): void {
    const dialling = this.#dialling.get(id)
    if (dialling !== undefined) this.#takeWaiting(dialling)
    this.#dialling.delete(id)
  }

  #dialledCount(): number {
    let count = this.#dialsNow
    for (const paths of this.#paths.values()) {
      for (const { isDialled } of paths) if (isDialled) count += 1
    }
    return count
  }

  async #dial(id: NodeId, addresses: readonly string[], dialling: Dialling): Promise<void> {
    const { clock, log, random, transport } = this.#modules
    const address = addresses[random.below(addresses.length)] ?? ''
    const timeout = new AbortController()
    const timer: Timer = clock.after(this.#limits.dialTimeoutMs, () => {
      timeout.abort(new IsochroneError('peer_unreachable', `${address} does not answer`))
    })
    dialling.isNow = true
    this.#dialsNow += 1
    try {
      const signal = AbortSignal.any([timeout.signal, this.#stop.signal])
      const connection = await transport.dial(address, id, signal)
      dialling.failures = 0
      this.#add(connection, { isDialled: true, isOwned: false })
    } catch (error) {
      dialling.failures += 1
      const reason = asIsochroneError(error).message
      log.debug('a member cannot be dialled', { peer: shortId(id), address, reason })
    } finally {
      timer.cancel()
      this.#dialsNow -= 1
      dialling.isNow = false
      this.#afterDial(id, dialling)
    }
  }

  #afterDial(id: NodeId, dialling: Dialling): void {
    const waiting = this.#takeWaiting(dialling)
    if (dialling.failures === 0) {
      this.#dialling.delete(id)
      for (const packet of waiting) if (this.isConnected(id)) this.send(id, packet)
      return
    }
    const { redialFirstMs, redialMaxMs } = this.#limits
    const waitMs = Math.min(redialMaxMs, redialFirstMs * 2 ** (dialling.failures - 1))
    const nowMs = this.#modules.clock.monotonic()
    dialling.notBeforeMs = nowMs + waitMs * (0.5 + this.#modules.random.float() / 2)
  }
}

function closeQuietly(path: Path): void {
  path.channel?.close()
  path.connection.close().catch(ignore)
}

function ignore(): void {}
