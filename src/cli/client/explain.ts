/**
 * `isochrone explain`: one decision, as text for a person or as it is stored; whether it is what
 * its gateway signed; and whether it comes out the same when it is made again.
 */
import { json, type Static, Validator } from '../../base/index.ts'
import { IsochroneError, type NodeId } from '../../protocol/index.ts'
import {
  type Decision,
  isSealed,
  type Replay,
  readView,
  renderDecision,
  replayDecision,
  reviveDecision,
  type ViewReference,
} from '../../routing/index.ts'
import { dataFolder } from '../files/data-folder.ts'
import { type CommandContext, exitCode } from '../options/command.ts'
import { usageError } from '../options/usage-error.ts'
import { harmless } from '../terminal/harmless.ts'
import { softwareVersion } from '../version.ts'
import { firstModel } from './chat.ts'
import {
  type ClientOptions,
  type GatewayClient,
  openGatewayClient,
  readOptional,
} from './gateway-client.ts'

export interface ExplainOptions extends ClientOptions {
  readonly decision: string | undefined
  readonly replay: boolean
  readonly preview: string | undefined
  readonly model: string | undefined
  readonly region: string | undefined
}

/** What `GET /v1/decisions/ID?format=replay` gives. */
const keptSchema = json.object({
  record: json.string(),
  /** Who answers; earlier versions do not say. */
  gateway: json.optional(json.string()),
  seal: json.nullable(
    json.object({
      gateway: json.string(),
      signature: json.string(),
      index: json.integer({ minimum: 0 }),
      tree_size: json.integer({ minimum: 1 }),
      siblings: json.string(),
    }),
  ),
  views: json.optional(json.array(json.object({ frame: json.string(), bytes: json.string() }))),
})
type Kept = Static<typeof keptSchema>
const keptValidator = new Validator(keptSchema)

/**
 * `other`: signed by another key than that of the gateway that was asked. `early`: not signed, and
 * it need not be; `none`: not signed, and it should be.
 */
type Seal = 'good' | 'other' | 'bad' | 'early' | 'none'

export async function runExplain(
  options: ExplainOptions,
  context: CommandContext,
): Promise<number> {
  if (options.preview !== undefined) return preview(options.preview, options, context)
  const id = decisionId(options, context)
  const client = openGatewayClient(options, context)
  const path = `/v1/decisions/${encodeURIComponent(id)}`
  const { terminal } = context
  if (options.json && !options.replay) {
    const text = await (await client.get(path)).text()
    terminal.out(text.endsWith('\n') ? text : `${text}\n`)
    return exitCode.ok
  }
  const format = options.replay ? 'replay' : 'record'
  const kept: unknown = await (await client.get(`${path}?format=${format}`)).json()
  if (!keptValidator.fits(kept)) throw noRecord()
  const decision = reviveDecision(kept.record)
  if (decision.id !== id) throw otherRecord(id, decision)
  const seal = sealOf(kept, decision)
  const replay = options.replay ? replayed(decision, kept) : undefined
  const isGood = isRelied(seal) && (!options.replay || replay?.agrees === true)
  if (options.json) {
    const told = { decision: decision.id, signature: seal, gateway: kept.seal?.gateway ?? null }
    terminal.out(`${JSON.stringify({ ...told, replay: replay ?? null })}\n`)
  } else {
    const words = [sealInWords(seal, kept), ...(options.replay ? [replayInWords(replay)] : [])]
    const footer = words.join('\n\n')
    terminal.out(harmless(renderDecision(decision, { columns: terminal.columns, footer })))
  }
  return isGood ? exitCode.ok : exitCode.failed
}

async function preview(
  question: string,
  options: ExplainOptions,
  context: CommandContext,
): Promise<number> {
  if (options.decision !== undefined || options.replay) {
    throw usageError('--preview is about a question that was not asked yet; it takes no decision')
  }
  const client: GatewayClient = openGatewayClient(options, context)
  const body = {
    model: options.model ?? (await firstModel(client, options)),
    messages: [{ role: 'user', content: question }],
    ...(options.region === undefined ? {} : { isochrone: { region: options.region } }),
  }
  const asText = options.json ? '' : `?format=text&columns=${context.terminal.columns}`
  const answer = await (await client.post(`/v1/route/preview${asText}`, body)).text()
  const text = options.json ? answer : harmless(answer)
  context.terminal.out(text.endsWith('\n') ? text : `${text}\n`)
  return exitCode.ok
}

function decisionId(options: ExplainOptions, context: CommandContext): string {
  const { lastDecision } = dataFolder(options.data, context.folder)
  const id = options.decision ?? readOptional(lastDecision)
  if (id === undefined) {
    throw usageError(
      'DECISION_ID is missing, and there was no chat here yet: take it from the answer’s header ' +
        'x-isochrone-decision',
    )
  }
  if (!id.startsWith('dec_')) throw usageError(`${id} is not a decision id; they begin with dec_.`)
  return id
}

function noRecord(): IsochroneError {
  return new IsochroneError(
    'malformed_message',
    'the gateway sent no record of the decision; it may be of an earlier version',
  )
}

/** Whoever changes a file can sign with a key of his own, or put one record in another's place. */
function otherRecord(id: string, decision: Decision): IsochroneError {
  const message = `the gateway answered with the record of ${decision.id}, not with that of ${id}`
  return new IsochroneError('malformed_message', message)
}

function sealOf({ record, gateway: asked, seal }: Kept, { attempts, rounds }: Decision): Seal {
  if (seal === null) {
    // Versions that did not sign kept no rounds; a request under way is at somebody.
    const isUnderWay = attempts.some(({ outcome }) => outcome === 'running')
    return isUnderWay || rounds.length === 0 ? 'early' : 'none'
  }
  const { gateway, tree_size: treeSize, ...rest } = seal
  if (!isSealed(record, { ...rest, gateway: gateway as NodeId, treeSize })) return 'bad'
  return asked === undefined || asked === gateway ? 'good' : 'other'
}

function isRelied(seal: Seal): boolean {
  return seal === 'good' || seal === 'early'
}

function sealInWords(seal: Seal, { gateway, seal: kept }: Kept): string {
  if (seal === 'none') {
    return 'NOT SIGNED, although its request is over: do not rely on it.'
  }
  if (kept === null) {
    return 'Not signed: its request is still under way, or an earlier version kept it.'
  }
  if (seal === 'bad') {
    return (
      `NOT AS IT WAS SIGNED. Somebody changed this record after the gateway ${kept.gateway} had ` +
      'signed it, or it was never signed: do not rely on it.'
    )
  }
  if (seal === 'other') {
    return (
      `SIGNED BY ANOTHER KEY: by ${kept.gateway}, and the gateway that answers is ${gateway}. ` +
      'Unless that was its id before, do not rely on it.'
    )
  }
  return `Checked: this is what the gateway ${kept.gateway} signed when the request was over.`
}

/** undefined: what it was decided on is not kept. */
function replayed(decision: Decision, { views = [] }: Kept): Replay | undefined {
  const frames = new Map(views.map(({ frame, bytes }) => [frame, Buffer.from(bytes, 'base64')]))
  const isThere = decision.rounds.every(({ view }) => view !== null && frames.has(view.frame))
  if (!isThere) return undefined
  const viewOf = (reference: ViewReference) =>
    readView(frames.get(reference.frame) ?? new Uint8Array(), reference)
  try {
    return replayDecision(decision, viewOf)
  } catch (error) {
    if (error instanceof IsochroneError) throw error
    // Whoever wrote the record has also written what it was decided on.
    throw new IsochroneError(
      'malformed_message',
      'what the gateway sent of the nodes is nothing that can be decided on',
      { cause: error },
    )
  }
}

function replayInWords(replay: Replay | undefined): string {
  if (replay === undefined) {
    return (
      'Not made again: what the nodes were like at that time is not kept any more. The newest ' +
      'is kept, about 64 MB of it.'
    )
  }
  const { agrees, candidates, differences, policyVersion, rounds, software, wording } = replay
  const nodes = candidates === 1 ? 'the one node' : `the ${candidates} nodes`
  const times = rounds === 1 ? '' : `, ${rounds} times, as it was`
  const own = softwareVersion()
  const other = software === own ? '' : ` It was made by version ${software}; this is ${own}.`
  const how =
    `Made again${times}, with ${nodes} as they were then, policy ${policyVersion}, and the ` +
    'random numbers that were drawn: '
  const said = wording.length === 0 ? [] : ['It is said in other words:', ...shown(wording)]
  const outcome = agrees ? 'the same decision.' : 'ANOTHER DECISION.'
  return [`${how}${outcome}${other}`, ...shown(differences), ...said].join('\n')
}

function shown(differences: Replay['differences']): readonly string[] {
  return differences.map(
    ({ where, kept, again }) => `  ${where}: kept ${inWords(kept)}, made again ${inWords(again)}`,
  )
}

function inWords(value: unknown): string {
  const text = JSON.stringify(value) ?? 'nothing'
  return text.length > wordsLengthMax ? `${text.slice(0, wordsLengthMax)}…` : text
}

const wordsLengthMax = 60
