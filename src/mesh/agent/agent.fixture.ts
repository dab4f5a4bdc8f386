/** For tests: agents on a network in memory, under one clock. */
import { ManualClock, type Random, seededRandom, silentLog } from '../../base/index.ts'
import { type Identity, identityFromPem, type NodeId } from '../../protocol/index.ts'
import {
  type Connection,
  MemoryNetwork,
  serveCalls,
  type Transport,
  type TransportEvents,
} from '../../transport/index.ts'
import { MeshAgent } from './agent.ts'
import type { Contact } from './contacts.ts'
import type { LoadFacts } from './load-keeper.ts'
import type { ExperienceReader, NoticeReader } from './notice-keeper.ts'
import type { AgentOptions } from './options.ts'

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
  readonly facts?: () => LoadFacts
  readonly onNotice?: NoticeReader
  readonly onExperience?: ExperienceReader
}

/** Nodes that begin at one moment are placed within a minute or so. */
const togetherSecondsMax = 180
/** One time for all runs: what is signed then is the same in each. */
const wallStartMs = Date.UTC(2100, 0, 1)
/** Of an Ed25519 key as PKCS #8 (RFC 8410), before its 32 bytes. */
const keyPrefix = Buffer.from('302e020100300506032b657004220420', 'hex')

export class AgentWorld {
  readonly clock = new ManualClock(wallStartMs)
  readonly random: Random
  readonly network: MemoryNetwork
  readonly places: Place[] = []

  constructor(seed: number) {
    this.random = seededRandom(seed)
    this.network = new MemoryNetwork({ clock: this.clock, random: seededRandom(seed + 1) })
  }

  async add(options: PlaceOptions = {}): Promise<Place> {
    const {
      identity = identityBy(this.random),
      listens = true,
      contacts = [],
      facts,
      onExperience,
      onNotice,
      ...more
    } = options
    const agent = new MeshAgent(
      { network: 'test', role: 'node', token: 'join_test', ...more },
      {
        identity,
        transport: { dial: (...args) => transport.dial(...args) },
        clock: this.clock,
        random: this.random,
        log: silentLog,
        ...(facts === undefined ? {} : { facts }),
        ...(onNotice === undefined ? {} : { onNotice }),
        ...(onExperience === undefined ? {} : { onExperience }),
        contacts: {
          load: () => contacts,
          save: async (all) => {
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

  /** Runs until each of these holds just the others for alive, and is in a cluster with them. */
  async untilTogether(places: readonly Place[] = this.places): Promise<void> {
    for (let seconds = 0; seconds < togetherSecondsMax; seconds += 1) {
      const isTogether = places.every(
        (place) =>
          place.agent.place?.members.length === places.length &&
          String(alive(place)) === String(idsBesides(places, place)),
      )
      if (isTogether) return
      await this.run(1_000)
    }
    throw new Error(`not together after ${togetherSecondsMax} s`)
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

/** @returns the ms it took */
export async function untilHolds(world: AgentWorld, holds: () => boolean): Promise<number> {
  for (let ms = 0; ms < 60_000; ms += 50) {
    if (holds()) return ms
    await world.run(50)
  }
  throw new Error('not within a minute')
}

export function alive({ agent }: Place): NodeId[] {
  const members = agent.members().filter(({ state }) => state === 'alive')
  return members.map(({ id }) => id).sort()
}

export function idsBesides(places: readonly Place[], place?: Place): NodeId[] {
  return places
    .filter((other) => other !== place)
    .map(({ identity }) => identity.id)
    .sort()
}

/** The same seed, the same key: whom one meets first depends on ids. */
function identityBy(random: Random): Identity {
  const der = Buffer.concat([keyPrefix, random.bytes(32)]).toString('base64')
  return identityFromPem(`-----BEGIN PRIVATE KEY-----\n${der}\n-----END PRIVATE KEY-----\n`)
}
