/**
 * This project's gateway in its two ways: straight to an upstream, and by a node that fronts it.
 */
import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { freePort, type Service, startService } from './service.ts'
import type { StartContext, Started } from './target.ts'

const command = join(import.meta.dirname, '..', '..', 'bin', 'isochrone.js')
/** As the program's own first lines, which a shell reads, have them. */
const [shellLines = ''] = readFileSync(command, 'utf8').split(' exec ', 1)
const nodeFlags: readonly string[] = shellLines.match(/--[\w=-]+/g) ?? []
const joinToken = 'bench-join-token-of-some-length'

interface OwnGateway {
  readonly port: number
  readonly meshPort: number
  readonly folder: string
  readonly more: readonly string[]
}

export async function startGatewayAlone(context: StartContext): Promise<Started> {
  const folder = join(context.folder, 'alone')
  const ports = { port: await freePort(), meshPort: await freePort() }
  const more = ['--upstream', `mock=http://127.0.0.1:${context.mockPort}/v1`]
  return startGateway('isochrone: gateway', { ...ports, folder, more })
}

export async function startGatewayAndNode(context: StartContext): Promise<Started> {
  const folder = join(context.folder, 'pair')
  const { target, join: peer } = await startOwnGateway('isochrone: gateway + node', folder)
  const upstreamUrl = `http://127.0.0.1:${context.mockPort}/v1`
  const node = startOwnNode({ peer, folder, name: 'node', upstreamUrl })
  return { target: { ...target, services: [...target.services, node] } }
}

/** A gateway of its own, and the address at which nodes join it. */
export async function startOwnGateway(name: string, folder: string, more: readonly string[] = []) {
  const ports = { port: await freePort(), meshPort: await freePort() }
  const token = ['--token', joinToken]
  const { target } = startGateway(name, { ...ports, folder, more: [...token, ...more] })
  return { target, join: `127.0.0.1:${ports.meshPort}` }
}

export interface OwnNode {
  /** The gateway's address for nodes. */
  readonly peer: string
  readonly folder: string
  readonly name: string
  readonly upstreamUrl: string
}

export function startOwnNode({ peer, folder, name, upstreamUrl }: OwnNode): Service {
  return startOwn([
    ...['node', '--join', peer, '--token', joinToken, '--name', name],
    ...['--engine', 'upstream', '--upstream-url', upstreamUrl],
    ...['--data', folder, '--slots', '64'],
  ])
}

/** As it ships: with API keys asked for, records written, and the log at its usual level. */
function startGateway(name: string, { port, meshPort, folder, more }: OwnGateway) {
  mkdirSync(folder, { recursive: true })
  const service = startOwn([
    'gateway',
    ...['--port', String(port), '--mesh-port', String(meshPort), '--data', folder],
    ...['--requests-per-minute', '1000000000', ...more],
  ])
  const headers = { authorization: `Bearer ${makeKey(folder)}` }
  return { target: { name, port, headers, model: 'mock-model', services: [service] } }
}

function startOwn(args: readonly string[]): Service {
  return startService({
    command: process.execPath,
    args: [...nodeFlags, ...profileOptions(), command, ...args, '--config', 'none'],
  })
}

/** For profiling: `ISOCHRONE_BENCH_NODE_OPTIONS="--cpu-prof --cpu-prof-dir=DIR"`. */
function profileOptions(): readonly string[] {
  return (process.env['ISOCHRONE_BENCH_NODE_OPTIONS'] ?? '').split(' ').filter(Boolean)
}

function makeKey(folder: string): string {
  const args = [command, 'keys', 'create', '--json', '--data', folder, '--config', 'none']
  const { stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' })
  const key = /"(iso_[^"]+)"/.exec(stdout)?.[1]
  if (key === undefined) throw new Error(`no API key could be made: ${stderr}`)
  return key
}
