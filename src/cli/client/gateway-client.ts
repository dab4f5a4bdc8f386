/** How the client commands talk to a gateway: over its HTTP interface, as any client does. */
import { readFileSync } from 'node:fs'
import { type ErrorCode, hasCode, IsochroneError, isErrorCode } from '../../protocol/index.ts'
import { dataFolder } from '../files/data-folder.ts'
import { readSecretFile } from '../files/secret-file.ts'
import type { CommandContext } from '../options/command.ts'
import { commandLine, dataFlag, shellWord } from '../options/command-line.ts'
import { variableOf } from '../options/option.ts'
import { usageError } from '../options/usage-error.ts'
import { harmless } from '../terminal/harmless.ts'

export interface ClientOptions {
  readonly url: string | undefined
  readonly 'api-key': string | undefined
  readonly data: string
  readonly json: boolean
}

export interface GatewayClient {
  readonly url: string
  /** @throws IsochroneError with the gateway's own message and code */
  get(path: string): Promise<Response>
  post(path: string, body: unknown, signal?: AbortSignal): Promise<Response>
}

/** An answer; for a person, whatever strangers had written into it. */
export async function shownJson(response: Response, isForProgram: boolean): Promise<unknown> {
  if (isForProgram) return response.json()
  const shown = (_: string, value: unknown) => (typeof value === 'string' ? harmless(value) : value)
  return JSON.parse(await response.text(), shown)
}

/** How a hint writes a command that asks the same gateway. */
export function commandAt({ data, url }: Pick<ClientOptions, 'data' | 'url'>, command: string) {
  const place = url === undefined ? dataFlag(data) : ` --url ${shellWord(url)}`
  return commandLine(`${command}${place}`)
}

const defaultUrl = 'http://127.0.0.1:8080'

type Context = Pick<CommandContext, 'folder' | 'sourceOf' | 'configurationFile'>

export function openGatewayClient(options: ClientOptions, context: Context): GatewayClient {
  const data = dataFolder(options.data, context.folder)
  const own = readOptional(data.address)
  const found = options.url ?? own ?? defaultUrl
  if (!/^https?:\/\//.test(found) || !URL.canParse(found)) {
    throw usageError(`--url "${found}" must be an address like ${defaultUrl}`)
  }
  const isOwn = own !== undefined && placeOf(found) === placeOf(own)
  // By the address that it holds: at another of its names someone else may listen.
  const url = baseOf(isOwn ? own : found)
  const isElsewhere = options.url !== undefined && !isOwn
  // Whoever names a folder asks its gateway, and nobody else.
  const isNamed = context.sourceOf('data') !== 'default'
  const isUnknown = options['api-key'] === undefined
  if (!isElsewhere && !isOwn && (isNamed || isUnknown)) {
    throw noNetwork(data.root, isNamed ? undefined : url)
  }
  // The folder's key is for the folder's gateway; whoever else is asked has no use for it.
  const key = options['api-key'] ?? (isOwn ? readSecretFile(data.localKey)?.trim() : undefined)
  const headers: Record<string, string> = { 'user-agent': 'isochrone-cli' }
  const hasKey = key !== undefined && key !== ''
  if (hasKey) headers['authorization'] = `Bearer ${key}`
  // Only what runs from the folder takes the keys that are made there.
  const madeBy = isElsewhere ? undefined : `keys create${dataFlag(options.data)}`
  const send = async (path: string, init: RequestInit) => {
    try {
      return await request(url, path, init)
    } catch (error) {
      if (!(error instanceof IsochroneError) || !isRefusal(error)) throw error
      if (!hasKey) throw hasCode(error, 'invalid_api_key') ? noKey(url, madeBy) : error
      const local = isOwn ? readOptional(data.localKey) : undefined
      const hasOther = local !== undefined && local !== key
      throw refused(error, url, keyInWords(context, data.root, hasOther))
    }
  }
  return {
    url,
    get: (path) => send(path, { headers }),
    post: (path, body, signal) =>
      send(path, {
        method: 'POST',
        headers: { ...headers, 'content-type': 'application/json' },
        body: JSON.stringify(body),
        ...(signal === undefined ? {} : { signal }),
      }),
  }
}

/** Without what people add, as to a base URL of OpenAI's. */
function baseOf(address: string): string {
  return address.replace(/\/+$/, '').replace(/\/v1$/, '')
}

/** Equal for two ways to write one gateway's address. */
function placeOf(address: string): string {
  const base = baseOf(address)
  if (!URL.canParse(base)) return base
  const url = new URL(base)
  if (url.hostname === 'localhost') url.hostname = '127.0.0.1'
  return url.href
}

function isRefusal(error: IsochroneError): boolean {
  return error.code === 'invalid_api_key' || error.code === 'permission_denied'
}

/** Which key it was, and how the folder's own is used instead: a variable wins in silence. */
function keyInWords(context: Context, folder: string, hasOther: boolean): string {
  const otherwise = (how: string) => (hasOther ? ` (${how} to use the local key of ${folder})` : '')
  const variable = variableOf('api-key')
  switch (context.sourceOf('api-key')) {
    case 'flag':
      return `the key given with --api-key${otherwise('leave that out')}`
    case 'variable':
      return `the key of the variable ${variable}${otherwise('unset it')}`
    case 'file':
      return `the key in ${context.configurationFile}${otherwise('take it out')}`
    case 'default':
      return `the local key of ${folder}`
  }
}

function refused(error: IsochroneError, url: string, key: string): IsochroneError {
  const message = `the gateway at ${url} refuses ${key}: ${error.message}`
  return new IsochroneError(error.code, message, { detail: error.detail, cause: error })
}

function noKey(url: string, madeBy: string | undefined): IsochroneError {
  const from = madeBy === undefined ? 'whoever runs it makes one' : `made by ${commandLine(madeBy)}`
  return new IsochroneError(
    'invalid_api_key',
    `the gateway at ${url} wants an API key; give it as the variable ISOCHRONE_API_KEY, ` +
      `or with --api-key (${from})`,
  )
}

/** @param url which would be asked with a key; undefined: none would */
function noNetwork(folder: string, url: string | undefined): IsochroneError {
  const keyless = url === undefined ? '' : `, and no API key is known for ${url}`
  const other = url === undefined ? '--url and --api-key' : '--api-key'
  return new IsochroneError(
    'peer_unreachable',
    `no network runs from ${folder}${keyless}; start one with ` +
      `npm start, give --data of the running network, or ${other}`,
    { detail: { folder } },
  )
}

/** The content, trimmed; undefined: there is no such file. */
export function readOptional(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8').trim() || undefined
  } catch {
    return undefined
  }
}

async function request(url: string, path: string, init: RequestInit): Promise<Response> {
  let response: Response
  try {
    response = await fetch(`${url}${path}`, init)
  } catch (cause) {
    if (init.signal?.aborted === true) throw new IsochroneError('cancelled', 'cancelled', { cause })
    throw new IsochroneError(
      'peer_unreachable',
      `no gateway answers at ${url}; start a local network with npm start, ` +
        'or name another with --url',
      { cause },
    )
  }
  if (response.ok) return response
  throw await faultOf(response)
}

/** OpenAI's error body, as every gateway sends it. */
interface ErrorBody {
  readonly error?: { readonly message?: unknown; readonly code?: unknown }
}

async function faultOf(response: Response): Promise<IsochroneError> {
  const text = await response.text().catch(() => '')
  return faultOfText(text, `the gateway answered with HTTP ${response.status}`)
}

export function faultOfText(text: string, otherwise: string): IsochroneError {
  let body: ErrorBody | null = null
  try {
    body = JSON.parse(text) as ErrorBody | null
  } catch {
    // Something other than a gateway of ours answered; its status has to do.
  }
  const { code, message } = body?.error ?? {}
  const known: ErrorCode = typeof code === 'string' && isErrorCode(code) ? code : 'internal'
  const shown = harmless(typeof message === 'string' ? message : otherwise)
  // An error of the gateway's own is not one of this program: no stack is shown.
  return new IsochroneError(known === 'internal' ? 'node_failed' : known, shown)
}
