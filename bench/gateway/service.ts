/** Starting, probing and ending the processes of a benchmark, all on loopback. */
import { type ChildProcess, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

export interface Service {
  readonly pid: number
  hasEnded(): boolean
  /** What it printed last, to explain a failure. */
  tail(): string
  stop(): Promise<void>
}

interface ServiceOptions {
  readonly command: string
  readonly args: readonly string[]
  readonly folder?: string
  readonly env?: Readonly<Record<string, string>>
}

/** Longer than any of them takes to start on a slow machine. */
const startTimeoutMs = 60_000
const stopTimeoutMs = 5_000
const tailCharacters = 4_000

export function startService({ command, args, folder, env }: ServiceOptions): Service {
  const child = spawn(command, args, {
    cwd: folder,
    env: { ...process.env, ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  let printed = ''
  const keep = (text: string) => {
    printed = (printed + text).slice(-tailCharacters)
  }
  child.stdout.setEncoding('utf8').on('data', keep)
  child.stderr.setEncoding('utf8').on('data', keep)
  child.on('error', (error) => keep(error.message))
  return {
    pid: child.pid ?? 0,
    hasEnded: () => hasEnded(child),
    tail: () => printed,
    stop: () => stopChild(child),
  }
}

function hasEnded(child: ChildProcess): boolean {
  return child.pid === undefined || child.exitCode !== null || child.signalCode !== null
}

async function stopChild(child: ChildProcess): Promise<void> {
  if (hasEnded(child)) return
  const ended = new Promise((resolve) => child.once('exit', resolve))
  child.kill('SIGTERM')
  const killer = setTimeout(() => child.kill('SIGKILL'), stopTimeoutMs)
  await ended
  clearTimeout(killer)
}

/** Asks until the answer is the wanted one; says what the service printed if that never happens. */
export async function waitUntil(
  service: Service,
  what: string,
  isReady: () => Promise<boolean>,
): Promise<void> {
  const end = performance.now() + startTimeoutMs
  while (performance.now() < end) {
    if (await isReady().catch(() => false)) return
    if (service.hasEnded()) throw new Error(`${what} ended: ${service.tail().trim()}`)
    await sleep(50)
  }
  throw new Error(`${what} is not ready after ${startTimeoutMs / 1000} s: ${service.tail().trim()}`)
}

/** A port that was free a moment ago, for programs that cannot choose one themselves. */
export async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

/** Resident memory of a process in MB (10^6 bytes) as Linux counts it; null elsewhere. */
export function residentMegabytes(pid: number): number | null {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8')
    const kib = /^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]
    return kib === undefined ? null : (Number(kib) * 1024) / 1e6
  } catch {
    return null
  }
}
