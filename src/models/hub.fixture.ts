/**
 * For tests: a hub on loopback with one model, and a storage beside it, as Hugging Face has them.
 */
import { createHash } from 'node:crypto'
import { mkdir, readdir, readFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { TestContext } from 'node:test'
import { type Clock, systemClock } from '../base/index.ts'
import {
  randomTensors,
  safetensors,
  smallConfig,
  temporaryFolder,
  writeCheckpoint,
} from './checkpoint.fixture.ts'
import { downloadLimits } from './download-file.ts'
import type { PullOptions } from './index.ts'

export const commit = 'c'.repeat(40)
export const weights = 'model.safetensors'
/** What `writeCheckpoint` writes: the same every time. */
export const weightBytes = Buffer.from(safetensors(randomTensors(smallConfig, 'F32'), 'F32'))

/** Pauses pass at once; stalls are not what these tests wait for. */
export const clock: Clock = {
  now: () => systemClock.now(),
  monotonic: () => systemClock.monotonic(),
  after(delayMs, action) {
    if (delayMs >= downloadLimits.stallTimeoutMs) return { cancel() {} }
    const handle = setImmediate(action)
    return { cancel: () => clearImmediate(handle) }
  },
}

export type Behaviour = (
  request: IncomingMessage,
  response: ServerResponse,
  count: number,
) => boolean

export interface Hub {
  readonly url: URL
  readonly storage: URL
  /** Every request, as `METHOD path range`, with the authorization where there was one. */
  readonly requests: string[]
  /** May answer a request for the weights' bytes itself; `count` counts them from 1. */
  behave: Behaviour
  /** May answer what the hub itself is asked. */
  answer: Behaviour
}

export function options(hub: Hub, storeDir: string): PullOptions {
  return { storeDir, hub: hub.url, clock, onProgress: breakHeld }
}

export async function setUp(t: TestContext) {
  const root = await temporaryFolder(t)
  const folder = `${root}/hf`
  await mkdir(folder)
  await writeCheckpoint(folder, smallConfig)
  const files = new Map<string, Buffer>()
  for (const name of await readdir(folder)) files.set(name, await readFile(`${folder}/${name}`))
  const hub = await startHub(t, files)
  return { hub, files, folder, storeDir: `${root}/store` }
}

/** The hub, and a storage on another port for large files, as Hugging Face has it. */
async function startHub(t: TestContext, files: ReadonlyMap<string, Buffer>): Promise<Hub> {
  const requests: string[] = []
  const note = (request: IncomingMessage) => {
    const { authorization = '', range = 'whole' } = request.headers
    requests.push(`${request.method} ${request.url} ${range} ${authorization}`)
  }
  let count = 0
  const storage = await listen(t, (request, response) => {
    note(request)
    count += 1
    if (hub.behave(request, response, count)) return
    send(request, response, files.get(weights) ?? Buffer.alloc(0))
  })
  const url = await listen(t, (request, response) => {
    note(request)
    if (!hub.answer(request, response, count)) answerAsHub(request, response, { files, storage })
  })
  const hub: Hub = { url, storage, requests, behave: () => false, answer: () => false }
  return hub
}

function answerAsHub(
  request: IncomingMessage,
  response: ServerResponse,
  parts: { readonly files: ReadonlyMap<string, Buffer>; readonly storage: URL },
): unknown {
  const { files, storage } = parts
  const { pathname } = new URL(request.url ?? '/', 'http://hub')
  if (pathname.startsWith('/html/')) return response.end('<html>')
  if (pathname === '/api/models/acme/small/revision/main') {
    const siblings = [...files].map(([rfilename, { length }]) => ({ rfilename, size: length }))
    return response.end(JSON.stringify({ sha: commit, siblings }))
  }
  const name = pathname.startsWith(`/acme/small/resolve/${commit}/`)
    ? pathname.slice(pathname.lastIndexOf('/') + 1)
    : ''
  const content = files.get(name)
  if (content === undefined) return status(response, 404)
  if (name !== weights) {
    const blob = createHash('sha1').update(`blob ${content.length}\0`).update(content)
    response.setHeader('etag', `"${blob.digest('hex')}"`)
    return send(request, response, content)
  }
  response.writeHead(302, {
    location: new URL('/lfs/weights', storage).href,
    'x-linked-size': `${content.length}`,
    'x-linked-etag': `"${createHash('sha256').update(content).digest('hex')}"`,
  })
  return response.end()
}

export function send(request: IncomingMessage, response: ServerResponse, content: Buffer): unknown {
  const start = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0)
  if (start === 0) return response.end(content)
  if (start >= content.length) return status(response, 416)
  response.writeHead(206, {
    'content-range': `bytes ${start}-${content.length - 1}/${content.length}`,
  })
  return response.end(content.subarray(start))
}

/** Connections to break as soon as the client has seen their bytes. */
const held = new Set<ServerResponse>()

function breakHeld(): void {
  for (const response of held) response.destroy()
  held.clear()
}

/** Sends a part of the weights, and breaks the connection once that has arrived. */
export function cut(response: ServerResponse, bytes: number): boolean {
  const start = Number(/^bytes=(\d+)-$/.exec(response.req.headers.range ?? '')?.[1] ?? 0)
  const range = `bytes ${start}-${weightBytes.length - 1}/${weightBytes.length}`
  response.writeHead(start > 0 ? 206 : 200, start > 0 ? { 'content-range': range } : {})
  response.write(weightBytes.subarray(start, start + bytes))
  held.add(response)
  return true
}

export function status(response: ServerResponse, code: number): boolean {
  response.writeHead(code).end()
  return true
}

async function listen(
  t: TestContext,
  handle: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<URL> {
  const server: Server = createServer(handle)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`)
}
