// Compiles the program once after its sources changed, and keeps what was compiled. Without it
// every process of the first start would strip types for itself: 30 MB and 0.3 s more for each.
// Plain JavaScript, because it runs before the project's own Node is there: any Node >= 20 will do.
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A network of one node is ready after four seconds on a slow machine. */
const readyMs = 30_000
/** How long it may take to stop, once told to. */
const stopMs = 10_000
/** Printed when everything that runs has been loaded. */
const readyText = 'Stop with Ctrl-C'

/**
 * Never fails: without it all works, only slower.
 *
 * @param {string} root of the project
 * @param {AbortSignal | undefined} signal stops the program that runs, and starts none
 */
export async function keepCompiled(root, signal) {
  const folder = join(root, 'node_modules', '.cache', 'isochrone')
  const marker = join(folder, 'sources')
  const stamp = stampOf(root)
  const kept = existsSync(marker) ? readFileSync(marker, 'utf8') : ''
  if (kept === stamp) return
  console.error('Filling the compile cache (a few seconds, once after a change) …')
  const data = mkdtempSync(join(tmpdir(), 'isochrone-compile-'))
  try {
    // What was kept of older sources is of no use any more.
    rmSync(folder, { recursive: true, force: true })
    const start = ['start', '--nodes', '1', '--no-wan', ...everywhere(join(data, 'start'))]
    await runOnce(root, start, signal)
    await withUpstream((url) => {
      const own = ['--mesh-port', '0', '--upstream', `none=${url}`]
      return runOnce(root, ['gateway', ...own, ...everywhere(join(data, 'gateway'))], signal)
    })
    signal?.throwIfAborted()
    mkdirSync(folder, { recursive: true })
    writeFileSync(marker, stamp)
  } catch {
    // Stopped, or a folder that cannot be written: nothing is kept.
  } finally {
    rmSync(data, { recursive: true, force: true })
  }
}

/** Differs after any change of a source that programs load. */
export function stampOf(root) {
  const hash = createHash('sha256').update(process.platform)
  for (const top of ['bin', 'src']) {
    const names = readdirSync(join(root, top), { recursive: true }).map(String).sort()
    for (const name of names) {
      if (/\.(test|contract|fixture)\.ts$/.test(name)) continue
      const file = join(root, top, name)
      const stats = statSync(file)
      if (stats.isFile()) hash.update(`${file} ${stats.mtimeMs} ${stats.size}\n`)
    }
  }
  return hash.digest('hex')
}

function everywhere(data) {
  return ['--port', '0', '--config', 'none', '--data', data]
}

/** What a gateway loads for upstreams is loaded where there is one: here, one without models. */
async function withUpstream(act) {
  const server = createServer((_request, response) => {
    response.setHeader('content-type', 'application/json')
    response.end('{"object":"list","data":[]}')
  })
  await new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', resolve)
  })
  try {
    await act(`http://127.0.0.1:${server.address().port}/v1`)
  } finally {
    server.closeAllConnections?.()
    server.close()
  }
}

/** By the address and the key that were printed: what writes records is loaded with the first. */
async function askOnce(said) {
  const [address] = said.match(/http:\/\/127\.0\.0\.1:\d+/) ?? []
  const [key] = said.match(/iso_[\w-]+/) ?? []
  if (address === undefined || key === undefined) return
  const messages = [{ role: 'user', content: 'Hello' }]
  try {
    const response = await fetch(`${address}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'isochrone-tiny', messages, max_tokens: 1 }),
    })
    await response.text()
  } catch {
    // Not answered: the rest is kept all the same.
  }
}

/** The real thing, as a user starts it, until it is ready. */
function runOnce(root, args, signal) {
  signal?.throwIfAborted()
  const program = join(root, 'bin', 'isochrone.js')
  // The shell's lines in the program have the flags of Node, which are part of what is kept.
  const command = process.platform === 'win32' ? process.execPath : '/bin/sh'
  const env = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !name.startsWith('ISOCHRONE_')),
  )
  return new Promise((resolve) => {
    const stdio = ['ignore', 'pipe', 'ignore']
    const child = spawn(command, [program, ...args], { cwd: root, env, stdio })
    let timer = setTimeout(stop, readyMs)
    let said = ''
    signal?.addEventListener('abort', stop)
    // Not as Ctrl-C does, which a terminal sends to all: an older Node hands on this signal only.
    function stop() {
      if (child.exitCode !== null || child.signalCode !== null) return
      child.kill('SIGTERM')
      clearTimeout(timer)
      timer = setTimeout(() => child.kill('SIGKILL'), stopMs)
    }
    child.stdout.on('data', async (text) => {
      const wasReady = said.includes(readyText)
      said += text
      if (wasReady || !said.includes(readyText)) return
      await askOnce(said)
      stop()
    })
    const end = () => {
      signal?.removeEventListener('abort', stop)
      clearTimeout(timer)
      child.stdout?.destroy()
      resolve()
    }
    child.on('error', end)
    // Not its output's end: whoever it left behind may hold that open.
    child.on('exit', end)
  })
}
