/** For tests: agents on a network in memory, under one clock. */
import { ManualClock, type Random, seededRandom, silentLog, systemClock } from '../../base/index.ts'
import { createIdentity, type Identity, type NodeId } from '../../protocol/index.ts'
import {
  type Connection,
  MemoryNetwork,
  serveCalls,
  type Transport,
  type TransportEvents,
} from '../../transport/index.ts'
import { type AgentOptions, MeshAgent } from './agent.ts'
import type { Contact } from './contacts.ts'

export interface Place {
  readonly agent: MeshAgent
  readonly identity: Identity
  readonly transport: Transport
  readonly address: string
  /** The last view that it kept. */
  saved: readonly Contact[]
}

export interface PlaceOptions extends Partial<AgentOptions> {
  readonly identity?: Identity
  /** false: it only dials. */
  readonly listens?: boolean
  readonly contacts?: readonly Contact[]
}

export class AgentWorld {
  // Signed statements carry the wall clock, and other tests of one process may have used it.
  readonly clock = new ManualClock(systemClock.now())
  readonly random: Random
  readonly network: MemoryNetwork
  readonly places: Place[] = []

  constructor(seed: number) {
    this.random = seededRandom(seed)
    this.network = new MemoryNetwork({ clock: this.clock, random: seededRandom(seed + 1) })
  }

  async add(options: PlaceOptions = {}): Promise<Place> {
    const { identity = createIdentity(), listens = true, contacts = [], ...more } = options
    const agent = new MeshAgent(
      { network: 'test', role: 'node', token: 'join_test', ...more },
      {
        identity,
        transport: { dial: (...args) => transport.dial(...args) },
        clock: this.clock,
        random: this.random,
        log: silentLog,
        contacts: {
          load: () => contacts,
          save: (all) => {
            place.saved = all
          },
        },
      },
    )
    const events: TransportEvents = {
      onStream: serveCalls(agent.handlers, { log: silentLog, clock: this.clock }),
    }
    const transport = this.network.transport(identity.id, events)
    const bound = listens ? await transport.listen(`place:${this.places.length + 1}`) : undefined
    const address = bound?.address ?? ''
    const place: Place = { agent, identity, transport, address, saved: [] }
    this.places.push(place)
    agent.start(bound === undefined ? [] : [address])
    return place
  }

  /** As a node meets its gateway: it dials, and begins with it. */
  async meet(place: Place, other: Place): Promise<Connection> {
    const dialled = place.transport.dial(other.address, other.identity.id)
    await this.clock.advanceAsync(100)
    const connection = await dialled
    place.agent.meet(connection)
    return connection
  }

  async run(forMs: number): Promise<void> {
    await this.clock.advanceAsync(forMs)
  }

  /** Its process is gone. */
  async crash(place: Place): Promise<void> {
    place.agent.close()
    await place.transport.close()
  }

  async close(): Promise<void> {
    for (const place of this.places) await this.crash(place)
  }
}

export function alive({ agent }: Place): NodeId[] {
  const members = agent.members().filter(({ state }) => state === 'alive')
  return members.map(({ id }) => id).sort()
}

export function idsBesides(places: readonly Place[], place: Place): NodeId[] {
  return places
    .filter((other) => other !== place)
    .map(({ identity }) => identity.id)
    .sort()
}
