/**
 * The load, in a process of its own so that it shares no event loop with anything: jobs come in
 * over the channel to the parent one at a time, results go back.
 */
import { HttpConnection, type PreparedRequest } from './http-connection.ts'

export interface WireRequest {
  readonly port: number
  readonly text: string
  readonly ending: string
}

/** Each target once per turn, in rotating order, one request at a time. */
export interface LatencyJob {
  readonly kind: 'latency'
  readonly requests: readonly WireRequest[]
  readonly turns: number
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

async function latency({ requests, turns }: LatencyJob): Promise<LatencyResult> {
  const connections = requests.map((request) => new HttpConnection(prepare(request)))
  const samplesMs: number[][] = requests.map(() => [])
  for (let turn = 0; turn < turns; turn += 1) {
    for (let step = 0; step < connections.length; step += 1) {
      const index = (turn + step) % connections.length
      const start = performance.now()
      await connections[index]?.sendAsync()
      samplesMs[index]?.push(performance.now() - start)
    }
  }
  for (const connection of connections) connection.close()
  return { samplesMs }
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
