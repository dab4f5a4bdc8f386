/** Events of a generation on the wire. The hottest message: one per token and step. */
import { type Builder, Encoding, type Offset } from 'flatbuffers'
import { assert, unreachable } from '../../base/index.ts'
import * as wire from '../generated/node.js'
import type {
  FinishReason,
  GenerationDelta,
  GenerationEvent,
  JsonObject,
  TokenLogprob,
  TokenLogprobs,
} from '../generation.ts'
import { checkLength, textOf } from './decode.ts'
import { textOffset, uint32, writeText } from './encode.ts'
import { parseJsonObject } from './json.ts'
import { messageLimits } from './limits.ts'
import { malformed } from './verify-buffer.ts'

export function writeEvents(to: Builder, events: readonly GenerationEvent[]): Offset {
  const offsets: Offset[] = []
  for (const event of events) offsets.push(writeEvent(to, event))
  return wire.GenerateReply.createEventsVector(to, offsets)
}

export function readEvents(reply: wire.GenerateReply): GenerationEvent[] {
  const length = reply.eventsLength()
  checkLength(length, 'reply.events', messageLimits.eventsPerMessageMax)
  const events: GenerationEvent[] = []
  const table = new wire.GenerationEvent()
  for (let i = 0; i < length; i += 1) {
    if (reply.events(i, table) === null) throw malformed('an event is missing')
    events.push(readEvent(table))
  }
  return events
}

function writeEvent(to: Builder, event: GenerationEvent): Offset {
  switch (event.type) {
    case 'delta':
      return writeDelta(to, event)
    case 'finish':
      wire.GenerationEvent.startGenerationEvent(to)
      wire.GenerationEvent.addChoice(to, uint32(event.choice, 'choice'))
      wire.GenerationEvent.addKind(to, wire.EventKind.finish)
      wire.GenerationEvent.addReason(to, wire.FinishReason[event.reason])
      return wire.GenerationEvent.endGenerationEvent(to)
    case 'usage':
      wire.GenerationEvent.startGenerationEvent(to)
      wire.GenerationEvent.addPromptTokens(to, uint32(event.promptTokens, 'promptTokens'))
      wire.GenerationEvent.addCompletionTokens(
        to,
        uint32(event.completionTokens, 'completionTokens'),
      )
      wire.GenerationEvent.addCachedTokens(to, uint32(event.cachedTokens, 'cachedTokens'))
      wire.GenerationEvent.addKind(to, wire.EventKind.usage)
      wire.GenerationEvent.addEstimated(to, event.estimated ?? false)
      return wire.GenerationEvent.endGenerationEvent(to)
    default:
      return unreachable(event)
  }
}

function writeDelta(to: Builder, delta: GenerationDelta): Offset {
  const text = textOffset(to, delta.text)
  const extra = delta.extra === null ? 0 : writeText(to, JSON.stringify(delta.extra))
  const tokenIds = delta.tokenIds.length === 0 ? 0 : writeTokenIds(to, delta.tokenIds)
  const logprobs = delta.logprobs.length === 0 ? 0 : writeLogprobs(to, delta.logprobs)
  wire.GenerationEvent.startGenerationEvent(to)
  wire.GenerationEvent.addChoice(to, uint32(delta.choice, 'choice'))
  wire.GenerationEvent.addText(to, text)
  wire.GenerationEvent.addTokenIds(to, tokenIds)
  wire.GenerationEvent.addLogprobs(to, logprobs)
  wire.GenerationEvent.addExtra(to, extra)
  wire.GenerationEvent.addKind(to, wire.EventKind.delta)
  return wire.GenerationEvent.endGenerationEvent(to)
}

function writeTokenIds(to: Builder, tokenIds: readonly number[]): Offset {
  wire.GenerationEvent.startTokenIdsVector(to, tokenIds.length)
  for (let i = tokenIds.length - 1; i >= 0; i -= 1) {
    to.addInt32(uint32(tokenIds[i] ?? Number.NaN, 'a token id'))
  }
  return to.endVector()
}

function writeLogprobs(to: Builder, logprobs: readonly TokenLogprobs[]): Offset {
  const offsets = logprobs.map((token) => {
    const top = token.top.map((alternative) => writeLogprob(to, alternative))
    const topOffset = top.length === 0 ? 0 : wire.TokenLogprobs.createTopVector(to, top)
    return wire.TokenLogprobs.createTokenLogprobs(to, writeLogprob(to, token), topOffset)
  })
  return wire.GenerationEvent.createLogprobsVector(to, offsets)
}

function writeLogprob(to: Builder, { token, logprob, bytes }: TokenLogprob): Offset {
  assert(!Number.isNaN(logprob), 'a log-probability is a number')
  const tokenOffset = textOffset(to, token)
  const bytesOffset = bytes.length === 0 ? 0 : to.createByteVector(Uint8Array.from(bytes))
  return wire.TokenLogprob.createTokenLogprob(to, tokenOffset, logprob, bytesOffset)
}

function readEvent(table: wire.GenerationEvent): GenerationEvent {
  const kind = table.kind()
  if (kind === wire.EventKind.delta) return readDelta(table)
  if (kind === wire.EventKind.finish) {
    return { type: 'finish', choice: choiceOf(table), reason: reasonOf(table.reason()) }
  }
  if (kind === wire.EventKind.usage) {
    return {
      type: 'usage',
      promptTokens: table.promptTokens(),
      completionTokens: table.completionTokens(),
      cachedTokens: table.cachedTokens(),
      ...(table.estimated() ? { estimated: true as const } : {}),
    }
  }
  throw malformed(`an event of the unknown kind ${kind}`)
}

function readDelta(table: wire.GenerationEvent): GenerationDelta {
  const extra = table.extra(Encoding.UTF8_BYTES)
  return {
    type: 'delta',
    choice: choiceOf(table),
    text: textOf(table.text(Encoding.UTF8_BYTES), 'event.text', messageLimits.messageBytesMax),
    tokenIds: readTokenIds(table),
    logprobs: readLogprobs(table),
    extra: extra === null ? null : readExtra(extra),
  }
}

function readTokenIds(table: wire.GenerationEvent): number[] {
  // One by one: an array in place needs an alignment that a stranger may not have kept.
  const tokenIds: number[] = []
  const length = table.tokenIdsLength()
  for (let i = 0; i < length; i += 1) tokenIds.push(table.tokenIds(i) ?? 0)
  return tokenIds
}

function readLogprobs(table: wire.GenerationEvent): TokenLogprobs[] {
  const length = table.logprobsLength()
  checkLength(length, 'event.logprobs', messageLimits.logprobsPerEventMax)
  const logprobs: TokenLogprobs[] = []
  for (let i = 0; i < length; i += 1) {
    const token = table.logprobs(i)
    if (token === null) throw malformed('a log-probability is missing')
    checkLength(token.topLength(), 'logprobs.top', messageLimits.topLogprobsMax)
    const top: TokenLogprob[] = []
    for (let j = 0; j < token.topLength(); j += 1) top.push(readLogprob(token.top(j)))
    logprobs.push({ ...readLogprob(token.chosen()), top })
  }
  return logprobs
}

function readLogprob(table: wire.TokenLogprob | null): TokenLogprob {
  if (table === null) throw malformed('a log-probability is missing')
  const logprob = table.logprob()
  if (Number.isNaN(logprob)) throw malformed('a log-probability is not a number')
  const token = table.token(Encoding.UTF8_BYTES)
  return {
    token: textOf(token, 'logprob.token', messageLimits.messageBytesMax),
    logprob,
    bytes: Array.from(table.bytesArray() ?? []),
  }
}

function readExtra(value: string | Uint8Array): JsonObject {
  return parseJsonObject(textOf(value, 'event.extra', messageLimits.messageBytesMax), 'event.extra')
}

function choiceOf(table: wire.GenerationEvent): number {
  const choice = table.choice()
  if (choice >= messageLimits.choicesMax) throw malformed(`there is no choice ${choice}`)
  return choice
}

function reasonOf(value: wire.FinishReason): FinishReason {
  switch (value) {
    case wire.FinishReason.stop:
      return 'stop'
    case wire.FinishReason.length:
      return 'length'
    case wire.FinishReason.tool_calls:
      return 'tool_calls'
    case wire.FinishReason.content_filter:
      return 'content_filter'
    default:
      throw malformed(`an unknown reason to finish: ${value}`)
  }
}
