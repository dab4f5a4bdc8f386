/**
 * A network in memory: transports whose links have delay, jitter, loss and partitions, under a
 * seed.
 *
 * With a `ManualClock` and a seeded `Random` a run replays exactly. For tests and simulation.
 */
import type { Clock, Random } from '../../base/index.ts'
import { IsochroneError, type NodeId, shortId } from '../../protocol/index.ts'
import { formatAddress, parseAddress } from '../address.ts'
import {
  type Connection,
  type Listener,
  type Transport,
  type TransportEvents,
  transportLimits,
} from '../transport.ts'
import { MemoryConnection } from './connection.ts'
import { type Frame, type LinkOptions, type LinkState, Wire } from './wire.ts'

export interface MemoryNetworkOptions {
  readonly clock: Clock
  readonly random: Random
}

const perfectLink: LinkState = { delayMs: 0, jitterMs: 0, loss: 0, partitioned: false }
/** As operating systems do for port 0. */
const firstEphemeralPort = 49_152

interface LiveLink {
  state: LinkState
  readonly wires: Set<Wire<Frame>>
}

export class MemoryNetwork {
  readonly options: MemoryNetworkOptions
  readonly #links = new Map<string, LiveLink>()
  readonly #listeners = new Map<string, MemoryTransport>()
  #nextPort = firstEphemeralPort

  constructor(options: MemoryNetworkOptions) {
    this.options = options
  }

  transport(self: NodeId, events: TransportEvents): Transport {
    return new MemoryTransport(self, events, this)
  }

  /** How bytes travel between two transports, from now on and both ways. */
  link(a: NodeId, b: NodeId, options: Partial<LinkOptions>): void {
    const link = this.#link(a, b)
    link.state = { ...link.state, ...options }
  }

  /** Nothing arrives between the two until `heal`. */
  partition(a: NodeId, b: NodeId): void {
    const link = this.#link(a, b)
    link.state = { ...link.state, partitioned: true }
  }

  heal(a: NodeId, b: NodeId): void {
    const link = this.#link(a, b)
    link.state = { ...link.state, partitioned: false }
    for (const wire of link.wires) wire.healed()
  }

  bind(address: string, transport: MemoryTransport): string {
    const { host, port } = parseAddress(address)
    const bound = formatAddress(host, port === 0 ? this.#nextPort++ : port)
    if (this.#listeners.has(bound)) {
      const text = `could not listen on ${address}: another transport of this network does`
      throw new IsochroneError('address_in_use', text, { detail: { address } })
    }
    this.#listeners.set(bound, transport)
    return bound
  }

  unbind(address: string): void {
    this.#listeners.delete(address)
  }

  listener(address: string): MemoryTransport | undefined {
    return this.#listeners.get(address)
  }

  wire<T>(a: NodeId, b: NodeId, deliver: (item: T) => void): Wire<T> {
    const link = this.#link(a, b)
    return new Wire<T>({ ...this.options, link: () => link.state }, deliver)
  }

  /** A wire that `heal` wakes until the connection is gone. */
  frameWire(from: NodeId, receiver: MemoryConnection, to: NodeId): Wire<Frame> {
    const wire = this.wire<Frame>(from, to, (frame) => receiver.receive(frame))
    const { wires } = this.#link(from, to)
    wires.add(wire)
    void receiver.closed.then(() => wires.delete(wire))
    return wire
  }

  #link(a: NodeId, b: NodeId): LiveLink {
    const key = [a, b].sort().join(' ')
    let link = this.#links.get(key)
    if (link === undefined) {
      link = { state: perfectLink, wires: new Set() }
      this.#links.set(key, link)
    }
    return link
  }
}

class MemoryTransport implements Transport {
  readonly self: NodeId
  readonly #events: TransportEvents
  readonly #network: MemoryNetwork
  readonly #connections = new Set<MemoryConnection>()
  readonly #addresses = new Set<string>()
  #closed = false

  constructor(self: NodeId, events: TransportEvents, network: MemoryNetwork) {
    this.self = self
    this.#events = events
    this.#network = network
  }

  async listen(address: string): Promise<Listener> {
    this.#assertOpen()
    const bound = this.#network.bind(address, this)
    this.#addresses.add(bound)
    return {
      address: bound,
      close: async () => {
        this.#network.unbind(bound)
        this.#addresses.delete(bound)
      },
    }
  }

  async dial(
    address: string,
    expected: NodeId | undefined,
    signal?: AbortSignal,
  ): Promise<Connection> {
    this.#assertOpen()
    const fail = (reason: string) => {
      const text = `could not reach ${address}: ${reason}`
      return new IsochroneError('peer_unreachable', text, { detail: { address } })
    }
    parseAddress(address)
    const listener = this.#network.listener(address)
    if (listener === undefined) throw fail('nothing listens there')
    const result = Promise.withResolvers<Connection>()
    const cancelled = new IsochroneError('cancelled', `dialling ${address} was cancelled`)
    const onAbort = () => result.reject(cancelled)
    if (signal?.aborted) throw cancelled
    signal?.addEventListener('abort', onAbort, { once: true })
    const { clock } = this.#network.options
    const timer = clock.after(transportLimits.handshakeTimeoutMs, () =>
      result.reject(fail(`no connection within ${transportLimits.handshakeTimeoutMs} ms`)),
    )
    const back = this.#network.wire<() => void>(listener.self, this.self, (arrive) => arrive())
    const there = this.#network.wire<() => void>(this.self, listener.self, (arrive) => arrive())
    there.send(() => {
      if (this.#network.listener(address) !== listener) {
        back.send(() => result.reject(fail('nothing listens there')))
      } else if (expected !== undefined && expected !== listener.self) {
        back.send(() => result.reject(mismatch(address, expected, listener.self)))
      } else {
        const pair = this.#join(listener, address)
        back.send(() => result.resolve(pair))
      }
    })
    try {
      return await result.promise
    } finally {
      timer.cancel()
      signal?.removeEventListener('abort', onAbort)
    }
  }

  async close(): Promise<void> {
    this.#closed = true
    for (const address of this.#addresses) this.#network.unbind(address)
    await Promise.all([...this.#connections].map((connection) => connection.close()))
  }

  #join(listener: MemoryTransport, address: string): MemoryConnection {
    const mine = this.#connection(listener.self, address, true)
    const theirs = listener.#connection(this.self, `memory:${shortId(this.self)}`, false)
    mine.start(this.#network.frameWire(this.self, theirs, listener.self))
    theirs.start(this.#network.frameWire(listener.self, mine, this.self))
    listener.#events.onConnection?.(theirs)
    return mine
  }

  #connection(peer: NodeId, remoteAddress: string, dialled: boolean): MemoryConnection {
    const { clock } = this.#network.options
    const { onStream } = this.#events
    const connection = new MemoryConnection({ peer, remoteAddress, clock, dialled, onStream })
    this.#connections.add(connection)
    void connection.closed.then(() => this.#connections.delete(connection))
    return connection
  }

  #assertOpen(): void {
    if (this.#closed) throw new IsochroneError('cancelled', 'this transport is closed')
  }
}

function mismatch(address: string, expected: NodeId, found: NodeId): IsochroneError {
  const keys = `expected ${shortId(expected)}, found ${shortId(found)}`
  const text = `the peer at ${address} is another one: ${keys}; is the address right?`
  return new IsochroneError('identity_mismatch', text, { detail: { address } })
}
