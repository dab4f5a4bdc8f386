/** For tests: a latency watch on a clock that stands, and nodes with whatever links. */
import { ManualClock, seededRandom, silentLog, systemTurn } from '../../base/index.ts'
import { EvidenceBook } from '../../evidence/index.ts'
import { type CellGrid, type LatencyMapSnapshot, loadCellGrid } from '../../mesh/index.ts'
import {
  createIdentity,
  type HardwareReport,
  type NodeId,
  type NodeRecord,
  nodeIdOf,
} from '../../protocol/index.ts'
import { defaultPolicy } from '../../routing/index.ts'
import type { Connection, LinkQuality } from '../../transport/index.ts'
import { LatencyWatch } from './latency-watch.ts'
import { WorkerRegistry } from './registry.ts'
import { RemoteWorker } from './remote-worker.ts'
import { SignedCalls } from './signed-calls.ts'

export interface WatchedNode {
  readonly id: NodeId
  /** As routing sees it. */
  region(): string
  leave(): void
}

export class WatchedGateway {
  readonly clock = new ManualClock()
  readonly registry: WorkerRegistry
  readonly watch: LatencyWatch
  readonly self = createIdentity().id
  saved: LatencyMapSnapshot | undefined
  /** How often the cells of the earth were loaded. */
  loaded = 0
  readonly #calls: SignedCalls
  readonly #loading: Promise<CellGrid>
  #nodes = 0

  constructor(cell: string, kept?: unknown) {
    const { clock } = this
    const limits = { noncesMax: 10, noncesPerNodeMax: 5, workersMax: 50, envelopeLifeMs: 1_000 }
    this.registry = new WorkerRegistry(
      { workersMax: 50, disconnectedKeptMs: 1_000 },
      { clock, evidence: new EvidenceBook({ clock }) },
    )
    const modules = { identity: createIdentity(), clock, random: seededRandom(1), turn: systemTurn }
    this.#calls = new SignedCalls({ network: 'test', ...limits }, modules)
    this.#loading = loadCellGrid()
    this.watch = new LatencyWatch(
      { self: this.self, cell },
      {
        clock,
        log: silentLog,
        registry: this.registry,
        loadGrid: () => {
          this.loaded += 1
          return this.#loading
        },
        latencyStore: {
          load: () => kept,
          save: async (snapshot) => {
            this.saved = snapshot
          },
        },
      },
    )
  }

  join(cell: string, link: Partial<LinkQuality>): WatchedNode {
    this.#nodes += 1
    const id = nodeIdOf(new Uint8Array(32).fill(this.#nodes))
    const connection = { peer: id, link: () => link } as Partial<Connection> as Connection
    const modules = { clock: this.clock, calls: this.#calls, bills: () => defaultPolicy }
    const worker = new RemoteWorker(connection, recordOf(id, cell), modules)
    this.registry.put(worker)
    return {
      id,
      region: () => worker.describe().region,
      leave: () => {
        worker.disconnected()
        this.registry.markGone(worker)
      },
    }
  }

  /** Lets time pass, and what was begun by it happen. */
  async pass(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= 5_000) {
      this.clock.advance(Math.min(left, 5_000))
      await this.#loading
      await null
      await null
    }
  }
}

function recordOf(id: NodeId, cell: string): NodeRecord {
  const hardware = { integerExact: true, gpu: '' } as Partial<HardwareReport> as HardwareReport
  const shown: Partial<NodeRecord> = { id, cell, region: 'somewhere', models: [], hardware }
  return { ...shown, expiresAtMs: Number.POSITIVE_INFINITY } as NodeRecord
}

export const berlinCell = '841f1d5ffffffff'
export const tokyoCell = '842f5a3ffffffff'
