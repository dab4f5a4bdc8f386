/** What becomes of what is to be written while the writing thread cannot be had. */
import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import threads, { type MessagePort, type WorkerOptions } from 'node:worker_threads'
import { createLog, ManualClock } from '../../base/index.ts'
import { sampleObservation } from '../stores.contract.ts'
import { GroupWriter } from './group-writer.ts'
import { openSqliteStorage } from './sqlite-storage.ts'

const retryMs = 1_000

async function setUp(t: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), 'isochrone-writer-thread-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const file = join(folder, 'storage.sqlite')
  const clock = new ManualClock(1_700_000_100_000)
  const lines: string[] = []
  /** What the file is said to have. */
  const disk = { sequence: 0 }
  const log = createLog({ level: 'info', clock, write: (line) => lines.push(line) })
  await openSqliteStorage(file, { clock, log }).close()
  const counts = {
    decisionsMax: 100,
    observationsMax: 10_000,
    ledgerEntriesMax: 1_000,
    incidentStepsMax: 1_000,
  }
  const limits = { ...counts, observationAgeMaxMs: 1e12 }
  const writer = new GroupWriter(
    { file, fileBytesMax: 1024 ** 3, viewBytesMax: 1024 ** 2, ...limits },
    { clock, log, blockedMsMax: 1 },
    () => disk.sequence,
  )
  const written = async () => {
    const storage = openSqliteStorage(file, { clock, log })
    const count = [...storage.observations.since(0)].length
    await storage.close()
    return count
  }
  const said = (words: string) => lines.filter((line) => line.includes(words)).length
  return { clock, disk, writer, written, said }
}

/** Until it is given back, threads are made by `make`. */
function replaceThreads(t: TestContext, make: (options: WorkerOptions) => unknown): () => void {
  const real = threads.Worker
  function Stand(_file: unknown, options: WorkerOptions) {
    return make(options)
  }
  const giveBack = () => {
    threads.Worker = real
    syncBuiltinESMExports()
  }
  threads.Worker = Stand as unknown as typeof real
  syncBuiltinESMExports()
  t.after(giveBack)
  return giveBack
}

class StandInThread extends EventEmitter {
  ref(): void {}
  unref(): void {}
}

const noThread = () => {
  throw new Error('no memory for a thread')
}

test('without a thread items stay, and are written once there is one', async (t) => {
  const { clock, writer, written, said } = await setUp(t)
  const giveBack = replaceThreads(t, noThread)
  writer.appendObservation(sampleObservation(0))
  await assert.rejects(writer.flush(), { code: 'storage_failed' })
  for (let i = 1; i < 6_000; i += 1) writer.appendObservation(sampleObservation(i))
  await assert.rejects(writer.flush(), { code: 'storage_failed' })
  assert.equal(said('serving from memory'), 1)
  assert.equal(writer.uncommitted.observations().length, 5_000)
  assert.equal(writer.dropped, 1_000)
  giveBack()
  clock.advance(2 * retryMs)
  await writer.flush()
  assert.equal(said('storage works again'), 1)
  await writer.close()
  assert.equal(await written(), 5_000)
})

test('a thread that fails at its start is followed by another', async (t) => {
  const { clock, writer, written } = await setUp(t)
  const giveBack = replaceThreads(t, () => {
    const thread = new StandInThread()
    setImmediate(() => {
      thread.emit('error', new Error('its file cannot be read'))
      thread.emit('exit', 1)
    })
    return thread
  })
  writer.appendObservation(sampleObservation(0))
  await assert.rejects(writer.flush(), { code: 'storage_failed' })
  assert.equal(writer.uncommitted.observations().length, 1)
  giveBack()
  clock.advance(retryMs)
  await writer.close()
  assert.equal(await written(), 1)
})

test('what a thread wrote before it was lost is not written again', async (t) => {
  const { writer } = await setUp(t)
  replaceThreads(t, ({ workerData }) => {
    const thread = new StandInThread()
    setImmediate(() => {
      const { port } = workerData as { port: MessagePort }
      port.postMessage({ sequence: 1, error: null })
      thread.emit('exit', 1)
    })
    return thread
  })
  writer.appendObservation(sampleObservation(0))
  await writer.flush()
  assert.deepEqual(writer.uncommitted.observations(), [])
  assert.equal(writer.committedSequence, 1)
  await writer.close()
})

test('nor what a thread wrote that was lost before it could say so', async (t) => {
  const { disk, writer } = await setUp(t)
  replaceThreads(t, () => {
    const thread = new StandInThread()
    setImmediate(() => {
      disk.sequence = 2
      thread.emit('exit', 1)
    })
    return thread
  })
  for (let i = 0; i < 2; i += 1) writer.appendObservation(sampleObservation(i))
  await writer.flush()
  assert.deepEqual(writer.uncommitted.observations(), [])
  assert.equal(writer.committedSequence, 2)
  await writer.close()
})

test('what the file has of others is not taken for what a lost thread wrote', async (t) => {
  const { disk, writer } = await setUp(t)
  replaceThreads(t, () => {
    const thread = new StandInThread()
    setImmediate(() => {
      disk.sequence = 5
      thread.emit('exit', 1)
    })
    return thread
  })
  writer.appendObservation(sampleObservation(0))
  await assert.rejects(writer.flush(), { code: 'storage_failed' })
  assert.equal(writer.uncommitted.observations().length, 1)
  await writer.close()
})

test('without a thread a writer closes, and says what is lost', async (t) => {
  const { writer, said } = await setUp(t)
  replaceThreads(t, noThread)
  writer.appendObservation(sampleObservation(0))
  await writer.close()
  assert.equal(said('"lost":1'), 1)
})
