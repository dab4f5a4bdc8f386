/**
 * Against a hub on loopback that cuts, corrupts, redirects and forgets.
 */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdir, readdir, readFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type TestContext, test } from 'node:test'
import { type Clock, systemClock } from '../base/index.ts'
import { hasCode } from '../protocol/index.ts'
import {
  randomTensors,
  safetensors,
  smallConfig,
  temporaryFolder,
  writeCheckpoint,
} from './checkpoint.fixture.ts'
import { downloadLimits } from './download-file.ts'
import { importModel, listModels, type PullOptions, pullModel } from './index.ts'
import { listTimeoutMs } from './pull-model.ts'

const commit = 'c'.repeat(40)
const weights = 'model.safetensors'
/** What `writeCheckpoint` writes: the same every time. */
const weightBytes = Buffer.from(safetensors(randomTensors(smallConfig, 'F32'), 'F32'))

/** Pauses pass at once; stalls are not what these tests wait for. */
const clock: Clock = {
  now: () => systemClock.now(),
  monotonic: () => systemClock.monotonic(),
  after(delayMs, action) {
    if (delayMs >= downloadLimits.stallTimeoutMs) return { cancel() {} }
    const handle = setImmediate(action)
    return { cancel: () => clearImmediate(handle) }
  },
}

type Behaviour = (request: IncomingMessage, response: ServerResponse, count: number) => boolean

interface Hub {
  readonly url: URL
  readonly storage: URL
  /** Every request, as `METHOD path range`, with the authorization where there was one. */
  readonly requests: string[]
  /** May answer a request for the weights' bytes itself; `count` counts them from 1. */
  behave: Behaviour
  /** May answer what the hub itself is asked. */
  answer: Behaviour
}

test('a model is pulled, checked and imported as if from its folder', async (t) => {
  const { hub, folder, storeDir } = await setUp(t)
  const phases = new Set<string>()
  const manifest = await pullModel('acme/small', {
    ...options(hub, storeDir),
    onProgress: ({ phase, bytesDone, bytesTotal }) => {
      assert.ok(bytesDone <= bytesTotal)
      phases.add(phase)
    },
  })
  const direct = await importModel(folder, { storeDir: `${folder}/other`, name: 'small' })
  assert.deepEqual(manifest, direct)
  assert.deepEqual([...phases], ['downloading', 'converting'])
  assert.deepEqual(await readdir(`${storeDir}/.downloads`), [])
})

test('a transfer that is cut is continued by a range', async (t) => {
  const { hub, storeDir } = await setUp(t)
  hub.behave = (_request, response, count) => count <= 3 && cut(response, 20_000)
  await pullModel('acme/small', options(hub, storeDir))
  const ranges = hub.requests
    .filter((line) => line.includes('/lfs/'))
    .map((line) => line.split(' ')[2])
  assert.equal(ranges.length, 4)
  assert.equal(ranges[0], 'whole')
  for (const range of ranges.slice(1)) assert.match(range ?? '', /^bytes=[1-9]\d*-$/)
})

test('a server that ignores the range starts over', async (t) => {
  const { hub, storeDir, files } = await setUp(t)
  hub.behave = (_request, response, count) => {
    if (count === 1) return cut(response, 20_000)
    response.writeHead(200).end(files.get(weights))
    return true
  }
  await pullModel('acme/small', options(hub, storeDir))
  assert.equal((await listModels(storeDir)).length, 1)
})

test('a corrupt transfer is fetched once more, and then refused', async (t) => {
  const { hub, storeDir, files } = await setUp(t)
  const wrong = Buffer.from(files.get(weights) ?? [])
  wrong[5000] = (wrong[5000] ?? 0) ^ 1
  const corruptUntil = (last: number): Behaviour => {
    return (_request, response, count) => count <= last && Boolean(response.end(wrong))
  }
  hub.behave = corruptUntil(Number.POSITIVE_INFINITY)
  const refused = pullModel('acme/small', options(hub, storeDir))
  await assert.rejects(refused, (error) => hasCode(error, 'model_download_failed'))
  assert.deepEqual(await listModels(storeDir), [])
  const seen = hub.requests.filter((line) => line.includes('/lfs/')).length
  hub.behave = corruptUntil(seen + 1)
  await pullModel('acme/small', options(hub, storeDir))
  assert.equal((await listModels(storeDir)).length, 1)
})

test('a busy hub is asked again, a bounded number of times', async (t) => {
  const { hub, storeDir } = await setUp(t)
  hub.behave = (_request, response, count) => count <= 3 && status(response, 503)
  await pullModel('acme/small', options(hub, storeDir))
  const other = await setUp(t)
  other.hub.behave = (_request, response) => status(response, 429)
  const failing = pullModel('acme/small', options(other.hub, other.storeDir))
  await assert.rejects(failing, (error) => hasCode(error, 'model_download_failed'))
  const asked = other.hub.requests.filter((line) => line.includes('/lfs/'))
  assert.equal(asked.length, downloadLimits.triesMax)
})

test('redirects that never end, or lead to other protocols, are refused', async (t) => {
  for (const target of ['/lfs/loop', 'file:///etc/passwd']) {
    const { hub, storeDir } = await setUp(t)
    hub.behave = (_request, response) => {
      response.writeHead(302, { location: target }).end()
      return true
    }
    const failing = pullModel('acme/small', options(hub, storeDir))
    await assert.rejects(failing, (error) => hasCode(error, 'model_download_failed'))
  }
})

test('the token goes to the hub and nowhere else', async (t) => {
  const { hub, storeDir } = await setUp(t)
  await pullModel('acme/small', { ...options(hub, storeDir), token: 'secret' })
  for (const line of hub.requests) {
    assert.equal(line.includes('Bearer secret'), !line.includes('/lfs/'), line)
  }
})

test('more bytes than announced are refused', async (t) => {
  const { hub, storeDir, files } = await setUp(t)
  hub.behave = (_request, response) => {
    response.writeHead(200)
    response.end(Buffer.concat([files.get(weights) ?? Buffer.alloc(0), Buffer.alloc(100_000)]))
    return true
  }
  const failing = pullModel('acme/small', options(hub, storeDir))
  await assert.rejects(failing, /more than the announced/)
})

test('a side file without end is refused before it fills the disk', async (t) => {
  const { hub, storeDir } = await setUp(t)
  const huge = `${2 ** 34}`
  hub.answer = (request, response) => {
    if (!request.url?.endsWith('/config.json')) return false
    response.writeHead(200, { 'content-length': huge }).write('{')
    return true
  }
  const failing = pullModel('acme/small', options(hub, storeDir))
  await assert.rejects(failing, /announces 17179869184 bytes; the limit is/)
})

test('a file whose size nobody says is refused', async (t) => {
  const { hub, storeDir } = await setUp(t)
  hub.answer = (request, response) => {
    if (request.url?.startsWith('/api/')) {
      const siblings = [{ rfilename: 'config.json' }, { rfilename: weights }]
      return Boolean(response.end(JSON.stringify({ sha: commit, siblings })))
    }
    response.writeHead(200).write('{')
    return true
  }
  const failing = pullModel('acme/small', options(hub, storeDir))
  await assert.rejects(failing, /does not say how large/)
})

test('a hub that never finishes its list is given up', async (t) => {
  const { hub, storeDir } = await setUp(t)
  let giveUp = () => {}
  const impatient: Clock = {
    ...clock,
    after(delayMs, action) {
      if (delayMs !== listTimeoutMs) return clock.after(delayMs, action)
      giveUp = action
      return { cancel() {} }
    },
  }
  hub.answer = (_request, response) => {
    response.writeHead(200).write('{')
    giveUp()
    return true
  }
  const failing = pullModel('acme/small', { ...options(hub, storeDir), clock: impatient })
  await assert.rejects(failing, (error) => hasCode(error, 'model_download_failed'))
})

test('a pull that is aborted is continued by the next', async (t) => {
  const { hub, storeDir } = await setUp(t)
  const abort = new AbortController()
  hub.behave = (_request, response, count) => count === 1 && cut(response, 20_000)
  const aborted = pullModel('acme/small', {
    ...options(hub, storeDir),
    signal: abort.signal,
    onProgress: ({ bytesDone }) => bytesDone > 10_000 && abort.abort(),
  })
  await assert.rejects(aborted, (error) => hasCode(error, 'cancelled'))
  assert.deepEqual(await listModels(storeDir), [])
  const before = hub.requests.length
  await pullModel('acme/small', options(hub, storeDir))
  const again = hub.requests.slice(before).filter((line) => line.includes('/resolve/'))
  assert.equal(again.length, 1, 'what was whole is not fetched again')
})

test('an unknown model, a hub that is none, and odd ids are said so', async (t) => {
  const { hub, storeDir } = await setUp(t)
  const missing = pullModel('acme/none', options(hub, storeDir))
  await assert.rejects(missing, (error) => hasCode(error, 'model_not_found'))
  const hubless = { ...options(hub, storeDir), hub: new URL('/html/', hub.url) }
  await assert.rejects(pullModel('acme/small', hubless), /not JSON/)
  for (const id of ['../x', 'a/b/c', '', 'a b', '/etc']) {
    const odd = pullModel(id, options(hub, storeDir))
    await assert.rejects(odd, (error) => hasCode(error, 'invalid_configuration'))
  }
})

function options(hub: Hub, storeDir: string): PullOptions {
  return { storeDir, hub: hub.url, clock, onProgress: breakHeld }
}

async function setUp(t: TestContext) {
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

function send(request: IncomingMessage, response: ServerResponse, content: Buffer): unknown {
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
function cut(response: ServerResponse, bytes: number): boolean {
  const start = Number(/^bytes=(\d+)-$/.exec(response.req.headers.range ?? '')?.[1] ?? 0)
  const range = `bytes ${start}-${weightBytes.length - 1}/${weightBytes.length}`
  response.writeHead(start > 0 ? 206 : 200, start > 0 ? { 'content-range': range } : {})
  response.write(weightBytes.subarray(start, start + bytes))
  held.add(response)
  return true
}

function status(response: ServerResponse, code: number): boolean {
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
