/**
 * One file from a hub, resumable: what has arrived stays in `FILE.part` and is continued after an
 * interruption, also by another process; the file gets its name only when size and hash are right.
 */
import { createHash } from 'node:crypto'
import { type FileHandle, open, rename, rm, stat } from 'node:fs/promises'
import { type Clock, sleep, type Timer } from '../base/index.ts'
import { asIsochroneError, IsochroneError } from '../protocol/index.ts'
import {
  type HubOptions,
  type HubResponse,
  hubGet,
  isTransient,
  statusFault,
} from './hub-client.ts'
import { hashFile, storageFault } from './store.ts'

export const downloadLimits = {
  /** Tries in a row that bring too little. */
  triesMax: 5,
  /** A try that brings less than this brought nothing: a byte per try would take for ever. */
  progressBytesMin: 64 * 1024,
  /** First pause; doubles with each try that brings too little. */
  pauseMs: 500,
  pauseMsMax: 15_000,
  /**
   * A transfer that brings less than `stallBytesMin` in this time is given up and continued with a
   * new request. A modem of 1990 is twice as fast.
   */
  stallTimeoutMs: 30_000,
  stallBytesMin: 16 * 1024,
  /** A wrong hash: once more from the start, then it is the hub's fault. */
  wrongHashesMax: 1,
} as const

export interface DownloadOptions extends HubOptions {
  readonly clock: Clock
  /** What the hub's list says; undefined: nothing. */
  readonly bytesListed?: number | undefined
  /** More than this is no such file, whatever the hub says. */
  readonly bytesMax: number
  /** Bytes of this file that are there. */
  readonly onBytes?: (bytes: number) => void
}

interface Expected {
  readonly bytes: number | undefined
  readonly sha256: string | undefined
  /** Git's blob hash, which the hub gives for small files. */
  readonly gitSha1: string | undefined
}

/**
 * @throws IsochroneError `model_download_failed`, `model_not_found`, `cancelled`, `storage_failed`
 */
export async function downloadFile(
  url: URL,
  target: string,
  options: DownloadOptions,
): Promise<void> {
  let fruitless = 0
  let wrongHashes = 0
  for (;;) {
    const before = await sizeOf(`${target}.part`)
    try {
      const expected = await continueTransfer(url, `${target}.part`, options)
      if (await isWhole(`${target}.part`, expected, options.signal)) break
      wrongHashes += 1
      await rm(`${target}.part`, { force: true })
      if (wrongHashes > downloadLimits.wrongHashesMax) throw hashFault(url)
      continue
    } catch (error) {
      if (options.signal?.aborted) throw cancelled(url, error)
      const fault = storageFault(error, target)
      if (fault instanceof IsochroneError) throw fault
      const brought = (await sizeOf(`${target}.part`)) - before
      fruitless = brought >= downloadLimits.progressBytesMin ? 0 : fruitless + 1
      if (fruitless >= downloadLimits.triesMax) throw transferFault(url, error)
    }
    await pause(url, fruitless, options)
  }
  await rename(`${target}.part`, target)
}

/** One request, from where the last one ended. Throws what a new try may mend as it is. */
async function continueTransfer(
  url: URL,
  part: string,
  options: DownloadOptions,
): Promise<Expected> {
  const have = await sizeOf(part)
  const watch = new StallWatch(options.clock)
  const signal = AbortSignal.any([watch.signal, ...(options.signal ? [options.signal] : [])])
  try {
    const headers: Record<string, string> = have > 0 ? { range: `bytes=${have}-` } : {}
    const response = await hubGet(url, { ...options, signal }, headers)
    const expected = expectedOf(response, options.bytesListed)
    const start = await startOf(url, response, { have, expected })
    if (start === undefined) return expected
    await checkAnnounced(url, response, { expected, bytesMax: options.bytesMax })
    const handle = await open(part, start === 0 ? 'w' : 'r+')
    try {
      let at = start
      for await (const chunk of response.body ?? []) {
        watch.arrived(chunk.length)
        at = await writeAt(handle, chunk, at)
        checkLength(url, at, expected)
        options.onBytes?.(at)
      }
      await handle.sync()
      if (expected.bytes !== undefined && at < expected.bytes) {
        throw new Error(`the transfer ended at byte ${at} of ${expected.bytes}`)
      }
    } finally {
      await handle.close()
    }
    return expected
  } finally {
    watch.stop()
  }
}

/** Aborts a transfer whose bytes come too slowly, or not at all. */
class StallWatch {
  readonly #clock: Clock
  readonly #stall = new AbortController()
  #timer: Timer
  #bytes = 0

  constructor(clock: Clock) {
    this.#clock = clock
    this.#timer = this.#next()
  }

  get signal(): AbortSignal {
    return this.#stall.signal
  }

  arrived(bytes: number): void {
    this.#bytes += bytes
  }

  stop(): void {
    this.#timer.cancel()
  }

  #next(): Timer {
    const { stallTimeoutMs, stallBytesMin } = downloadLimits
    return this.#clock.after(stallTimeoutMs, () => {
      if (this.#bytes < stallBytesMin) {
        const seconds = stallTimeoutMs / 1000
        this.#stall.abort(new Error(`only ${this.#bytes} bytes arrived in ${seconds} s`))
        return
      }
      this.#bytes = 0
      this.#timer = this.#next()
    })
  }
}

/** At which byte the answer starts; undefined: everything is there already. */
async function startOf(
  url: URL,
  response: HubResponse,
  known: { readonly have: number; readonly expected: Expected },
): Promise<number | undefined> {
  const { status, headers, body } = response
  if (status === 200) return 0
  await (status === 206 ? undefined : body?.cancel())
  if (status === 206) {
    const range = /^bytes (\d+)-\d+\//.exec(headers.get('content-range') ?? '')
    if (Number(range?.[1]) === known.have) return known.have
    await body?.cancel()
    throw new Error('the server sent another range than was asked for')
  }
  // Nothing after the last byte: it is whole, or it is longer than the file and its hash will tell.
  if (status === 416 && known.have > 0) return undefined
  if (isTransient(status)) throw new Error(`the server answered with status ${status}`)
  throw statusFault(url, status)
}

function expectedOf(response: HubResponse, listed: number | undefined): Expected {
  const { headers, hubHeaders, status } = response
  const linked = unquote(hubHeaders.get('x-linked-etag'))
  const etag = linked ?? unquote(hubHeaders.get('etag'))
  const size = hubHeaders.get('x-linked-size') ?? sizeFromRange(status, headers)
  return {
    bytes: size !== null && /^\d{1,15}$/.test(size) ? Number(size) : listed,
    sha256: etag !== undefined && /^[0-9a-f]{64}$/.test(etag) ? etag : undefined,
    gitSha1: etag !== undefined && /^[0-9a-f]{40}$/.test(etag) ? etag : undefined,
  }
}

function sizeFromRange(status: number, headers: Headers): string | null {
  if (status === 200) return headers.get('content-length')
  return /\/(\d+)$/.exec(headers.get('content-range') ?? '')?.[1] ?? null
}

function unquote(etag: string | null): string | undefined {
  return etag === null ? undefined : etag.replace(/^W\//, '').replaceAll('"', '')
}

async function isWhole(part: string, expected: Expected, signal?: AbortSignal): Promise<boolean> {
  const bytes = await sizeOf(part)
  if (expected.bytes !== undefined && bytes !== expected.bytes) return false
  if (expected.sha256 !== undefined) return (await hashFile(part, signal)) === expected.sha256
  if (expected.gitSha1 !== undefined) return (await gitHash(part, bytes)) === expected.gitSha1
  return true
}

/** As `git hash-object`; only small files are stored like this. */
async function gitHash(file: string, bytes: number): Promise<string> {
  const hash = createHash('sha1').update(`blob ${bytes}\0`)
  const handle = await open(file, 'r')
  try {
    for await (const chunk of handle.createReadStream({ autoClose: false })) {
      hash.update(chunk as Buffer)
    }
  } finally {
    await handle.close()
  }
  return hash.digest('hex')
}

async function writeAt(handle: FileHandle, chunk: Uint8Array, at: number): Promise<number> {
  let done = 0
  while (done < chunk.length) {
    const { bytesWritten } = await handle.write(chunk, done, chunk.length - done, at + done)
    done += bytesWritten
  }
  return at + chunk.length
}

/** Without a size nothing tells a whole file from a cut one, or ends a body without end. */
async function checkAnnounced(
  url: URL,
  response: HubResponse,
  known: { readonly expected: Expected; readonly bytesMax: number },
): Promise<void> {
  const { bytesMax, expected } = known
  const { bytes } = expected
  if (bytes !== undefined && bytes <= bytesMax) return
  await response.body?.cancel()
  const reason =
    bytes === undefined
      ? 'the hub does not say how large the file is'
      : `the hub announces ${bytes} bytes; the limit is ${bytesMax}`
  throw new IsochroneError('model_download_failed', `${url.href}: ${reason}.`, {
    detail: { url: url.href, bytes },
  })
}

/** A server that never stops sending must not fill the disk. */
function checkLength(url: URL, at: number, expected: Expected): void {
  if (expected.bytes === undefined || at <= expected.bytes) return
  const message = `${url.href}: more than the announced ${expected.bytes} bytes arrived.`
  throw new IsochroneError('model_download_failed', message, { detail: { url: url.href } })
}

async function pause(url: URL, fruitless: number, options: DownloadOptions): Promise<void> {
  const pauseMs = Math.min(downloadLimits.pauseMsMax, downloadLimits.pauseMs * 2 ** fruitless)
  try {
    await sleep(options.clock, pauseMs, options.signal)
  } catch (error) {
    throw cancelled(url, error)
  }
}

async function sizeOf(file: string): Promise<number> {
  const info = await stat(file).catch(() => undefined)
  return info?.size ?? 0
}

function hashFault(url: URL): IsochroneError {
  const message = `${url.href}: what arrives does not fit the hub's hash, twice. Try again later.`
  return new IsochroneError('model_download_failed', message, { detail: { url: url.href } })
}

function transferFault(url: URL, error: unknown): IsochroneError {
  const { message: reason } = asIsochroneError(error)
  const message =
    `${url.href}: ${downloadLimits.triesMax} tries brought next to nothing (${reason}). Check ` +
    'the network and run the command again: it continues where it stopped.'
  return new IsochroneError('model_download_failed', message, {
    detail: { url: url.href, reason },
    cause: error,
  })
}

export function cancelled(url: URL, error: unknown): IsochroneError {
  const message = `${url.href}: cancelled. The next pull continues where this one stopped.`
  return new IsochroneError('cancelled', message, { cause: error })
}
