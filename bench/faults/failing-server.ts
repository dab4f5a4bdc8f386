/**
 * What clients see of two servers of which one answers after a while and one fails at once. The
 * ways take turns, some requests each; every request counts, from the first one on.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { chatBody } from '../gateway/load.ts'
import { type Service, startService, waitUntil } from '../gateway/service.ts'
import type { Target } from '../gateway/target.ts'
import { progress } from '../progress.ts'
import { renderTable } from '../report.ts'
import { median, rotated } from '../statistics.ts'
import { type Way, ways } from './two-servers.ts'

/** Of the server that answers: long beside a failure, as any answer is. */
const answerMs = 30
const roundRequests = 40
const connections = 8

export interface FailingServerRow {
  readonly name: string
  readonly requests: number
  /** That a client saw. */
  readonly failures: number
  /** Requests that reached the failing server. */
  readonly refused: number
  readonly medianMs: number
}

interface Running {
  readonly target: Target
  readonly failingPort: number
  readonly latenciesMs: number[]
  failures: number
}

export interface FailingServerResult {
  readonly rows: readonly FailingServerRow[]
  readonly skipped: readonly string[]
}

export async function failingServer(requests: number): Promise<FailingServerResult> {
  const folder = mkdtempSync(join(tmpdir(), 'isochrone-failing-'))
  const services: Service[] = []
  try {
    const mock = join(import.meta.dirname, '..', 'gateway', 'mock-openai.ts')
    const [healthyPort] = await startServer([mock, String(answerMs)], services)
    const failing = join(import.meta.dirname, 'failing-openai.ts')
    const failingPorts = await startServer([failing, String(ways.length)], services)
    const running: Running[] = []
    const skipped: string[] = []
    for (const [i, way] of ways.entries()) {
      progress(`starting ${way.name}`)
      const servers = { folder, healthyPort: healthyPort ?? 0, failingPort: failingPorts[i] ?? 0 }
      const started = await startWay(way, servers, services)
      if (typeof started === 'string') skipped.push(`${way.name}: ${started}`)
      else running.push(started)
    }
    for (let round = 0; round * roundRequests < requests; round += 1) {
      progress(`requests ${round * roundRequests} of ${requests}`)
      for (const one of rotated(running, round)) await sendRound(one)
    }
    return { rows: await Promise.all(running.map(rowOf)), skipped }
  } finally {
    await Promise.all(services.map((service) => service.stop()))
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Resolves with the ports that it prints on its first line. */
async function startServer(args: readonly string[], services: Service[]) {
  const server = startService({ command: process.execPath, args })
  services.push(server)
  await waitUntil(server, 'a server of the benchmark', async () => server.tail().includes('\n'))
  return [JSON.parse(server.tail().split('\n')[0] ?? '')].flat() as number[]
}

async function startWay(way: Way, servers: Parameters<Way['start']>[0], services: Service[]) {
  const started = await way.start(servers)
  if ('skipped' in started) return started.skipped
  const { target } = started
  services.push(...target.services)
  const { failingPort } = servers
  const [front] = target.services
  if (front === undefined) return 'nothing was started'
  await waitUntil(front, way.name, () => isReady(target))
  return { target, failingPort, latenciesMs: [], failures: 0 }
}

/**
 * By what asks no server: the first request for an answer counts. Ours has to know both workers; of
 * the others any answer shows that they listen.
 */
async function isReady({ name, port }: Target): Promise<boolean> {
  const response = await fetch(`http://127.0.0.1:${port}/metrics`)
  const text = await response.text()
  return !name.startsWith('isochrone') || text.includes('isochrone_workers{state="connected"} 2')
}

async function sendRound(one: Running): Promise<void> {
  let left = roundRequests
  const send = async () => {
    while (left > 0) {
      left -= 1
      await sendOne(one, left % 2 === 0)
    }
  }
  await Promise.all(Array.from({ length: connections }, send))
}

async function sendOne(one: Running, isStream: boolean): Promise<void> {
  const { target, latenciesMs } = one
  const startMs = performance.now()
  const ending = isStream ? 'data: [DONE]' : '}'
  try {
    const response = await fetch(`http://127.0.0.1:${target.port}/v1/chat/completions`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        authorization: 'Bearer bench',
        ...target.headers,
      },
      body: chatBody(target.model, isStream ? 'stream' : 'answer'),
    })
    const text = await response.text()
    const isWhole = text.trimEnd().endsWith(ending) && !text.includes('"error"')
    if (!response.ok || !isWhole) one.failures += 1
  } catch {
    one.failures += 1
  }
  latenciesMs.push(performance.now() - startMs)
}

async function rowOf({ target, failingPort, failures, latenciesMs }: Running) {
  const response = await fetch(`http://127.0.0.1:${failingPort}/refused`)
  const refused = Number(await response.text())
  const requests = latenciesMs.length
  return { name: target.name, requests, failures, refused, medianMs: median(latenciesMs) }
}

export function failingServerTable(rows: readonly FailingServerRow[]): readonly string[] {
  const share = (part: number, { requests }: FailingServerRow) =>
    `${((100 * part) / requests).toFixed(2)} %`
  return renderTable(rows, [
    { title: 'one of two servers fails', align: 'left', cell: ({ name }) => name },
    { title: 'requests', cell: ({ requests }) => String(requests) },
    { title: 'failed', cell: (row) => share(row.failures, row) },
    { title: 'asked the failing one', cell: (row) => share(row.refused, row) },
    { title: 'p50', cell: ({ medianMs }) => `${medianMs.toFixed(1)} ms` },
  ])
}
