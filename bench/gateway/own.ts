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
  const ports = { port: await freePort(), meshPort: await freePort() }
  const more = ['--token', joinToken]
  const { target } = startGateway('isochrone: gateway + node', { ...ports, folder, more })
  const node = startOwn([
    'node',
    ...['--join', `127.0.0.1:${ports.meshPort}`, '--token', joinToken],
    ...['--engine', 'upstream', '--upstream-url', `http://127.0.0.1:${context.mockPort}/v1`],
    ...['--data', folder, '--slots', '64'],
  ])
  return { target: { ...target, services: [...target.services, node] } }
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
