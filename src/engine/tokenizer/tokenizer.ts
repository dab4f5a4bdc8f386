/**
 * A model's tokenizer: text to ids and back, and its chat template.
 *
 * Text that a client wrote never becomes a control token: special tokens are recognised only
 * where the model's template wrote them.
 */
import type { Tokenizer as HuggingFaceTokenizer } from '@huggingface/tokenizers'
import { type ChatMessage, IsochroneError, type JsonObject } from '../../protocol/index.ts'
import {
  type AddedToken,
  AddedTokenSplitter,
  SpecialTokenGuard,
  unusedSentinel,
} from './added-tokens.ts'
import type { ChatTemplate } from './chat-template.ts'
import { templateMessages } from './messages.ts'
import { TextStream, TokenTexts } from './text-stream.ts'
import type { TokenBytes } from './token-bytes.ts'

export interface TokenizerParts {
  /** Without special tokens in its own list: those are found here. */
  readonly model: HuggingFaceTokenizer
  readonly addedTokens: readonly AddedToken[]
  readonly bytes: TokenBytes
  /** The token's text as the vocabulary has it. */
  readonly textOf: (tokenId: number) => string | undefined
  readonly chatTemplate: ChatTemplate | null
  /** `bos_token`, `eos_token` and so on, for the template. */
  readonly templateVariables: Readonly<Record<string, string>>
}

/** More characters per prompt token than any real text has; a bound on work, not on prompts. */
const shrinkFactorMax = 4

export class Tokenizer {
  readonly #parts: TokenizerParts
  readonly #texts: TokenTexts
  readonly #beforeNormalisation: AddedTokenSplitter
  readonly #afterNormalisation: AddedTokenSplitter
  readonly #guard: SpecialTokenGuard
  readonly #specialIds: ReadonlySet<number>

  constructor(parts: TokenizerParts) {
    this.#parts = parts
    this.#texts = new TokenTexts(parts.bytes)
    const { addedTokens, model } = parts
    const late = (token: AddedToken) => token.normalized && model.normalizer !== null
    this.#beforeNormalisation = new AddedTokenSplitter(addedTokens.filter((token) => !late(token)))
    this.#afterNormalisation = new AddedTokenSplitter(
      addedTokens.filter(late).map((token) => ({
        ...token,
        content: model.normalizer?.normalize(token.content) ?? token.content,
      })),
    )
    const special = addedTokens.filter((token) => token.special)
    this.#guard = new SpecialTokenGuard(special.map((token) => token.content))
    this.#specialIds = new Set(special.map((token) => token.id))
  }

  get vocabularySize(): number {
    return this.#parts.bytes.vocabularySize
  }

  get hasChatTemplate(): boolean {
    return this.#parts.chatTemplate !== null
  }

  isSpecial(tokenId: number): boolean {
    return this.#specialIds.has(tokenId)
  }

  /** Bytes that a token adds to the text; none for special tokens. */
  bytesOf(tokenId: number): Uint8Array {
    return this.#parts.bytes.bytesOf(tokenId)
  }

  /**
   * The token for a person: its text, U+FFFD for incomplete characters, a special token's own
   * name.
   */
  tokenText(tokenId: number): string {
    if (this.isSpecial(tokenId)) return this.#parts.textOf(tokenId) ?? ''
    return this.#texts.wholeText(tokenId) ?? Buffer.from(this.bytesOf(tokenId)).toString('utf8')
  }

  /**
   * Ids of plain text. With `special`, special tokens in it count as such; otherwise they are
   * spelled out.
   * @param begin also the tokens that the model wants around every text, such as its begin token
   */
  encode(text: string, options: { special: boolean; begin?: boolean }): number[] {
    if (options.special) return this.#encodeSections(text, '', options.begin ?? false)
    const sentinel = unusedSentinel([text])
    const guarded = this.#guard.protect(text, sentinel)
    return this.#encodeSections(guarded, guarded === text ? '' : sentinel, options.begin ?? false)
  }

  /**
   * Ids of a chat, up to where the answer begins. Errors: `invalid_request`, `capability_missing`.
   */
  encodeChat(messages: readonly ChatMessage[], variables: JsonObject = {}): number[] {
    const { chatTemplate, templateVariables } = this.#parts
    if (chatTemplate === null) {
      throw new IsochroneError(
        'capability_missing',
        'This model has no chat template; ask it through /v1/completions.',
      )
    }
    const plain = templateMessages(messages, chatTemplate.knowsDeveloperRole)
    const sentinel = unusedSentinel(plain.flatMap(({ content, name }) => [content, name ?? '']))
    const guard = (text: string) => this.#guard.protect(text, sentinel)
    const text = chatTemplate.render({
      messages: plain.map((message) => ({
        role: message.role,
        content: guard(message.content),
        ...(message.name === undefined ? {} : { name: guard(message.name) }),
      })),
      variables: { ...plainVariables(variables), ...templateVariables },
    })
    return this.#encodeSections(text, sentinel, false)
  }

  /** The text of several tokens at once. */
  decode(tokenIds: Iterable<number>): string {
    const stream = this.textStream()
    let text = ''
    for (const id of tokenIds) text += stream.push(id)
    return text + stream.flush()
  }

  textStream(): TextStream {
    return new TextStream(this.#texts)
  }

  /** Texts longer than this (UTF-16 units) have more than `tokens` tokens, whatever is in them. */
  textLengthMax(tokens: number): number {
    return tokens * this.#parts.bytes.tokenBytesMax * shrinkFactorMax
  }

  #encodeSections(text: string, sentinel: string, begin: boolean): number[] {
    const { model } = this.#parts
    const tokens: string[] = []
    this.#beforeNormalisation.split(text).forEach((section, index) => {
      if (typeof section !== 'string') {
        tokens.push(section.content)
        return
      }
      const normalised = model.normalizer?.normalize(section) ?? section
      for (const part of this.#afterNormalisation.split(normalised)) {
        if (typeof part === 'string')
          this.#encodePlain(withoutSentinel(part, sentinel), index, tokens)
        else tokens.push(part.content)
      }
    })
    const whole =
      begin && model.post_processor !== null
        ? model.post_processor._call(tokens, null, true).tokens
        : tokens
    return whole.map((token: string) => this.#idOf(token))
  }

  #encodePlain(text: string, sectionIndex: number, tokens: string[]): void {
    if (text === '') return
    const { model } = this.#parts
    const words = model.pre_tokenizer?.pre_tokenize(text, { section_index: sectionIndex }) ?? [text]
    for (const token of model.model?._call(words) ?? []) tokens.push(token)
  }

  #idOf(token: string): number {
    const id = this.#idByContent.get(token) ?? this.#parts.model.model?.tokens_to_ids.get(token)
    const known = id ?? this.#parts.model.model?.unk_token_id
    if (known !== undefined) return known
    throw new IsochroneError(
      'invalid_request',
      'The text has a character that is not in this model’s vocabulary.',
    )
  }

  get #idByContent(): ReadonlyMap<string, number> {
    this.#idByContentCache ??= new Map(
      this.#parts.addedTokens.map((token) => [token.content, token.id]),
    )
    return this.#idByContentCache
  }

  #idByContentCache: ReadonlyMap<string, number> | undefined
}

function withoutSentinel(text: string, sentinel: string): string {
  return sentinel === '' ? text : text.replaceAll(sentinel, '')
}

/** Strings could carry control tokens into the template; switches and numbers cannot. */
function plainVariables(variables: JsonObject): Record<string, number | boolean> {
  const plain: Record<string, number | boolean> = {}
  for (const [name, value] of Object.entries(variables)) {
    if (typeof value === 'boolean' || typeof value === 'number') plain[name] = value
  }
  return plain
}
