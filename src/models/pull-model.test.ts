/**
 * Against a hub on loopback that cuts, corrupts, redirects and forgets.
 */
import assert from 'node:assert/strict'
import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { test } from 'node:test'
import type { Clock } from '../base/index.ts'
import { hasCode } from '../protocol/index.ts'
import { temporaryFolder } from './checkpoint.fixture.ts'
import { downloadLimits } from './download-file.ts'
import { takeFolder } from './download-folder.ts'
import {
  type Behaviour,
  clock,
  commit,
  cut,
  options,
  send,
  setUp,
  status,
  weightBytes,
  weights,
} from './hub.fixture.ts'
import { importModel, listModels, type ModelProgress, pullModel, removeModel } from './index.ts'
import { listTimeoutMs } from './pull-model.ts'

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
      const names = ['config.json', 'tokenizer.json', weights]
      const siblings = names.map((rfilename) => ({ rfilename }))
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

test('a second pull of the same model is refused while the first one works', async (t) => {
  const { hub, storeDir } = await setUp(t)
  let goOn = () => {}
  const reached = new Promise<void>((resolve) => {
    hub.behave = (request, response, count) => {
      if (count > 1) return false
      goOn = () => send(request, response, weightBytes)
      resolve()
      return true
    }
  })
  const first = pullModel('acme/small', options(hub, storeDir))
  await reached
  const taken = await readdir(`${storeDir}/.downloads`)
  await assert.rejects(pullModel('acme/small', options(hub, storeDir)), {
    code: 'model_download_failed',
    message: new RegExp(`by process ${process.pid} already`),
  })
  assert.deepEqual(await readdir(`${storeDir}/.downloads`), taken)
  goOn()
  await first
  assert.equal((await listModels(storeDir)).length, 1)
  assert.deepEqual(await readdir(`${storeDir}/.downloads`), [])
})

test('of two pulls of the same model in the same instant one downloads', async (t) => {
  const { hub, storeDir } = await setUp(t)
  const pull = () => pullModel('acme/small', options(hub, storeDir))
  const results = await Promise.allSettled([pull(), pull()])
  const refused = results.filter(({ status }) => status === 'rejected')
  assert.ok(refused.length <= 1, JSON.stringify(refused))
  assert.equal(hub.requests.filter((line) => line.includes('/lfs/')).length, 1)
  assert.equal((await listModels(storeDir)).length, 1)
})

test('a folder that its owner left is taken by one of those who try at once', async (t) => {
  const storeDir = await temporaryFolder(t)
  const take = () => takeFolder(storeDir, 'key', 'acme/small')
  for (const left of [undefined, `${process.pid}-0123456789ab`, `${process.pid}-ba9876543210`]) {
    if (left !== undefined) {
      await mkdir(`${storeDir}/.downloads/key.lock`)
      await writeFile(`${storeDir}/.downloads/key.lock/${left}`, '')
    }
    const results = await Promise.allSettled(Array.from({ length: 8 }, take))
    const taken = results.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))
    assert.equal(taken.length, 1)
    for (const one of results) {
      if (one.status === 'rejected') assert.match(one.reason.message, /already/)
    }
    await taken[0]?.giveBack()
    assert.deepEqual(await readdir(`${storeDir}/.downloads`), [])
  }
})

test('a model that is there already is not fetched again, unless it was removed', async (t) => {
  const { hub, storeDir } = await setUp(t)
  const fetched = () => hub.requests.filter((line) => line.includes('/resolve/')).length
  const manifest = await pullModel('acme/small', options(hub, storeDir))
  const before = fetched()
  assert.deepEqual(await pullModel('acme/small', options(hub, storeDir)), manifest)
  assert.equal(fetched(), before)
  await removeModel(storeDir, 'small')
  await pullModel('acme/small', options(hub, storeDir))
  assert.equal(fetched(), 2 * before)
})

test('a name that is taken is told before anything is fetched', async (t) => {
  const { hub, folder, storeDir } = await setUp(t)
  await importModel(folder, { storeDir, name: 'small' })
  const failing = pullModel('acme/small', options(hub, storeDir))
  await assert.rejects(failing, /already has another model.* named small/)
  assert.equal(hub.requests.filter((line) => line.includes('/resolve/')).length, 0)
  await pullModel('acme/small', { ...options(hub, storeDir), name: 'other' })
  assert.equal((await listModels(storeDir)).length, 2)
})

test('what a pull that died has left is continued', async (t) => {
  const { hub, storeDir } = await setUp(t)
  hub.behave = (_request, response) => status(response, 404)
  await assert.rejects(pullModel('acme/small', options(hub, storeDir)))
  const [key = ''] = await readdir(`${storeDir}/.downloads`)
  // Its process had this one's id, as in containers, but is another one.
  const lock = `${storeDir}/.downloads/${key}.lock`
  await mkdir(lock)
  await writeFile(`${lock}/${process.pid}-0123456789ab`, '')
  const before = hub.requests.length
  hub.behave = () => false
  await pullModel('acme/small', options(hub, storeDir))
  const again = hub.requests.slice(before).filter((line) => line.includes('/resolve/'))
  assert.equal(again.length, 1, 'what was whole is not fetched again')
  assert.deepEqual(await readdir(`${storeDir}/.downloads`), [])
})

test('a hub that sends a byte per connection is given up', async (t) => {
  const { hub, storeDir } = await setUp(t)
  hub.behave = (_request, response) => cut(response, 1)
  const failing = pullModel('acme/small', options(hub, storeDir))
  await assert.rejects(failing, /5 tries brought next to nothing/)
  const asked = hub.requests.filter((line) => line.includes('/lfs/'))
  assert.equal(asked.length, downloadLimits.triesMax)
})

test('a hub that trickles bytes for ever is given up', async (t) => {
  const { hub, storeDir } = await setUp(t)
  const stalls: (() => void)[] = []
  const watching: Clock = {
    ...clock,
    after(delayMs, action) {
      if (delayMs !== downloadLimits.stallTimeoutMs) return clock.after(delayMs, action)
      stalls.push(action)
      return { cancel() {} }
    },
  }
  // Each time a byte arrives, the time of a stall has passed.
  const trickle = ({ phase }: ModelProgress) => {
    if (phase === 'downloading') stalls.at(-1)?.()
  }
  hub.behave = (_request, response) => cut(response, 1)
  const failing = pullModel('acme/small', {
    ...options(hub, storeDir),
    clock: watching,
    onProgress: trickle,
  })
  await assert.rejects(failing, /only 1 bytes arrived in 30 s/)
})

test('a model without tokenizer.json is refused before anything is downloaded', async (t) => {
  const { hub, storeDir, files } = await setUp(t)
  files.delete('tokenizer.json')
  const failing = pullModel('acme/small', options(hub, storeDir))
  await assert.rejects(failing, /acme\/small: tokenizer\.json: the model has no tokenizer/)
  assert.equal(hub.requests.filter((line) => line.includes('/resolve/')).length, 0)
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
