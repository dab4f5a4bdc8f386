/**
 * Chat templates: the Jinja text that comes with a model and lays out messages as it was trained
 * to see them. A template comes from strangers, so its time and its output are bounded.
 */
import { createContext, Script } from 'node:vm'
import { Template } from '@huggingface/jinja'
import { IsochroneError } from '../../protocol/index.ts'

/**
 * Real templates take well under a millisecond per message; a loop without end must not stop the
 * node.
 */
const renderTimeoutMs = 500
/** Loop rounds that are too few to matter; a guard against time costs more than such a template. */
const roundsUnguardedMax = 1e7
/** Beyond any context in use today, at 4 bytes per token. */
const outputLengthMax = 16 * 1024 * 1024
/** The largest published templates have 20 kB. */
const templateLengthMax = 256 * 1024

export interface TemplateMessage {
  readonly role: string
  readonly content: string
  readonly name?: string
}

export interface TemplateInput {
  readonly messages: readonly TemplateMessage[]
  /** Further variables, for example `bos_token`, `enable_thinking`. */
  readonly variables: Readonly<Record<string, string | number | boolean>>
}

export class ChatTemplate {
  readonly #template: Template
  /** Templates that know no `developer` role get `system` in its place. */
  readonly knowsDeveloperRole: boolean
  /** How deep its loops are nested; infinite where it can make long loops by itself. */
  readonly #loopDepth: number

  constructor(source: string) {
    if (source.length > templateLengthMax) {
      throw new IsochroneError(
        'model_unsupported',
        `The model's chat template has ${source.length} characters; the limit is ` +
          `${templateLengthMax}.`,
      )
    }
    try {
      this.#template = new Template(source)
    } catch (error) {
      throw new IsochroneError(
        'model_unsupported',
        `The model's chat template cannot be read: ${messageOf(error)}.`,
        { cause: error },
      )
    }
    this.#loopDepth = loopDepthOf(source)
    this.knowsDeveloperRole = source.includes('developer')
  }

  /** Errors: `invalid_request` with the template's own complaint. */
  render(input: TemplateInput): string {
    const { messages, variables } = input
    const length = messages.reduce((sum, { content }) => sum + content.length + 1, 0)
    const guarded = length ** this.#loopDepth > roundsUnguardedMax
    const text = attempt(
      () => this.#template.render({ ...variables, messages, add_generation_prompt: true }),
      guarded,
    )
    if (text.length > outputLengthMax) {
      throw new IsochroneError(
        'invalid_request',
        `The chat template makes ${text.length} characters of these messages; the limit is ` +
          `${outputLengthMax}.`,
      )
    }
    return text
  }
}

/** `vm`'s timeout interrupts whatever runs inside, also functions of this realm. */
const callInside = new Script('call()')
const inside: { call: () => string } = { call: () => '' }
createContext(inside)

function attempt(action: () => string, guarded: boolean): string {
  try {
    if (!guarded) return action()
    inside.call = action
    return String(callInside.runInContext(inside, { timeout: renderTimeoutMs }))
  } catch (error) {
    const timedOut =
      error instanceof Error && 'code' in error && error.code === 'ERR_SCRIPT_EXECUTION_TIMEOUT'
    const reason = timedOut ? `it ran longer than ${renderTimeoutMs} ms` : messageOf(error)
    throw new IsochroneError(
      'invalid_request',
      `The model's chat template cannot lay out these messages: ${reason}.`,
      { cause: error },
    )
  }
}

/** Jinja has no `while`: loops go over the messages, pieces of their text, or a `range`. */
function loopDepthOf(source: string): number {
  if (/\b(range|macro|recursive)\b/.test(source)) return Number.POSITIVE_INFINITY
  let depth = 0
  let deepest = 0
  for (const [, keyword] of source.matchAll(/\{%[-+]?\s*(for|endfor)\b/g)) {
    depth += keyword === 'for' ? 1 : -1
    deepest = Math.max(deepest, depth)
  }
  return deepest
}

function messageOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error)
  return text.replace(/\.$/, '').slice(0, 500)
}
