/**
 * The load, in a process of its own so that it shares no event loop with anything: jobs come in
 * over the channel to the parent one at a time, results go back.
 */
import { type Random, seededRandom } from '../../src/base/index.ts'
import { HttpConnection, type PreparedRequest } from './http-connection.ts'

export interface WireRequest {
  readonly port: number
  readonly text: string
  readonly ending: string
}

/**
 * Each target once per turn, one request at a time. The order of each turn is drawn anew: what a
 * target still does after its answer falls on all others alike.
 */
export interface LatencyJob {
  readonly kind: 'latency'
  readonly requests: readonly WireRequest[]
  readonly turns: number
  readonly seed: number
}

/** As many requests as one target answers on some connections in a time. */
export interface ThroughputJob {
  readonly kind: 'throughput'
  readonly request: WireRequest
  readonly connections: number
  readonly durationMs: number
}

export interface LatencyResult {
  /** Per target, in the job's order: ms of every turn. */
  readonly samplesMs: readonly (readonly number[])[]
}

export interface ThroughputResult {
  readonly perSecond: number
  readonly failed: number
  readonly firstFailure: string
}

process.on('message', async (job: LatencyJob | ThroughputJob) => {
  const result = job.kind === 'latency' ? await latency(job) : await throughput(job)
  process.send?.(result)
})
process.on('disconnect', () => process.exit(0))

function prepare({ port, text, ending }: WireRequest): PreparedRequest {
  return { port, bytes: Buffer.from(text), ending }
}

async function latency({ requests, turns, seed }: LatencyJob): Promise<LatencyResult> {
  const connections = requests.map((request) => new HttpConnection(prepare(request)))
  const samplesMs: number[][] = requests.map(() => [])
  const random = seededRandom(seed)
  const order = [...requests.keys()]
  for (let turn = 0; turn < turns; turn += 1) {
    shuffle(order, random)
    for (const index of order) {
      const start = performance.now()
      await connections[index]?.sendAsync()
      samplesMs[index]?.push(performance.now() - start)
    }
  }
  for (const connection of connections) connection.close()
  return { samplesMs }
}

/** Fisher and Yates. */
function shuffle(order: number[], random: Random): void {
  for (let last = order.length - 1; last > 0; last -= 1) {
    const other = random.below(last + 1)
    const [a = 0, b = 0] = [order[last], order[other]]
    order[last] = b
    order[other] = a
  }
}

async function throughput(job: ThroughputJob): Promise<ThroughputResult> {
  const request = prepare(job.request)
  const start = performance.now()
  const end = start + job.durationMs
  let answered = 0
  let failed = 0
  let firstFailure = ''
  const keepBusy = async (): Promise<void> => {
    const connection = new HttpConnection(request)
    while (performance.now() < end) {
      try {
        await connection.sendAsync()
        if (performance.now() < end) answered += 1
      } catch (error) {
        failed += 1
        firstFailure ||= String(error)
        connection.close()
      }
    }
    connection.close()
  }
  await Promise.all(Array.from({ length: job.connections }, keepBusy))
  return { perSecond: (answered * 1000) / job.durationMs, failed, firstFailure }
}
