/**
 * HTTP towards a hub with Hugging Face's layout: redirects followed by hand, within limits.
 */
import { IsochroneError } from '../protocol/index.ts'

export interface HubOptions {
  readonly hub: URL
  /** For models that need an account; sent to the hub itself only, never to where it redirects. */
  readonly token?: string
  readonly signal?: AbortSignal
}

export const hubLimits = {
  redirectsMax: 5,
  /** The list of a model's files. */
  jsonBytesMax: 32 * 1024 * 1024,
} as const

/** What `resolve` says of a file, on the way to where it lies. */
export interface HubResponse {
  readonly status: number
  readonly headers: Headers
  /** Of the hub itself, before any redirect: they carry the file's true hash and size. */
  readonly hubHeaders: Headers
  readonly body: ReadableStream<Uint8Array> | null
}

/**
 * GET, following redirects.
 * @throws IsochroneError `model_download_failed` for what another try cannot mend
 * @throws whatever fetch throws for what it can
 */
export async function hubGet(
  url: URL,
  options: HubOptions,
  headers: Readonly<Record<string, string>> = {},
): Promise<HubResponse> {
  let at = url
  let hubHeaders: Headers | undefined
  for (let hop = 0; hop <= hubLimits.redirectsMax; hop += 1) {
    const isHub = at.origin === options.hub.origin
    const response = await fetch(at, {
      redirect: 'manual',
      // Compressed transfers would make sizes and ranges meaningless.
      headers: {
        ...headers,
        'accept-encoding': 'identity',
        ...(isHub && options.token && { authorization: `Bearer ${options.token}` }),
      },
      ...(options.signal && { signal: options.signal }),
    })
    if (isHub) hubHeaders = mergeHubHeaders(hubHeaders, response.headers)
    const location = response.headers.get('location')
    if (response.status < 300 || response.status >= 400 || location === null) {
      const { status, body } = response
      return { status, headers: response.headers, hubHeaders: hubHeaders ?? new Headers(), body }
    }
    await response.body?.cancel()
    at = redirectTarget(at, location)
  }
  throw new IsochroneError(
    'model_download_failed',
    `${url.href}: more than ${hubLimits.redirectsMax} redirects.`,
  )
}

/** A small JSON document. */
export async function hubJson(url: URL, options: HubOptions): Promise<unknown> {
  const response = await hubGet(url, options)
  if (response.status !== 200) {
    await response.body?.cancel()
    throw statusFault(url, response.status)
  }
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of response.body ?? []) {
    bytes += chunk.length
    if (bytes > hubLimits.jsonBytesMax) {
      throw new IsochroneError('model_download_failed', `${url.href}: the answer is too large.`)
    }
    chunks.push(chunk)
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8'))
  } catch (error) {
    const message = `${url.href}: the answer is not JSON. Is this a model hub?`
    throw new IsochroneError('model_download_failed', message, { cause: error })
  }
}

/** Another try may help: the server is busy or broken, not the request. */
export function isTransient(status: number): boolean {
  return status === 408 || status === 425 || status === 429 || status >= 500
}

export function statusFault(url: URL, status: number): IsochroneError {
  const detail = { url: url.href, status }
  if (status === 404) {
    const message = `${url.href}: there is no such model, revision or file. Check its id.`
    return new IsochroneError('model_not_found', message, { detail })
  }
  const reason =
    status === 401 || status === 403
      ? 'access is denied. The model may need an account: give its token'
      : `the hub answered with status ${status}`
  return new IsochroneError('model_download_failed', `${url.href}: ${reason}.`, { detail })
}

function redirectTarget(from: URL, location: string): URL {
  const target = URL.canParse(location, from) ? new URL(location, from) : undefined
  const isWeb = target?.protocol === 'https:' || target?.protocol === 'http:'
  const isDowngrade = from.protocol === 'https:' && target?.protocol !== 'https:'
  if (target !== undefined && isWeb && !isDowngrade) return target
  const message = `${from.href} redirects to ${location.slice(0, 200)}, which is refused.`
  throw new IsochroneError('model_download_failed', message)
}

/** The first that says something wins: later hops inside the hub may be plain files. */
function mergeHubHeaders(known: Headers | undefined, more: Headers): Headers {
  if (known === undefined) return more
  const merged = new Headers(known)
  for (const name of ['x-linked-etag', 'x-linked-size', 'etag']) {
    const value = more.get(name)
    if (!merged.has(name) && value !== null) merged.set(name, value)
  }
  return merged
}
