/**
 * Reads a tokenizer from a Hugging Face folder: `tokenizer.json`, `tokenizer_config.json` and,
 * where the template is a file of its own, `chat_template.jinja`.
 */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Tokenizer as HuggingFaceTokenizer } from '@huggingface/tokenizers'
import { IsochroneError } from '../../protocol/index.ts'
import type { AddedToken } from './added-tokens.ts'
import { ChatTemplate } from './chat-template.ts'
import { spellingOf, tokenBytesOf } from './token-bytes.ts'
import { Tokenizer } from './tokenizer.ts'

type Fields = Record<string, unknown>

/**
 * The largest vocabularies in use have 260 thousand entries; ids must fit into 20 bits for
 * sorting.
 */
const vocabularySizeMax = 2 ** 20
/** `tokenizer.json` of the largest vocabularies has 35 MB. */
const fileBytesMax = 256 * 1024 * 1024

/**
 * Errors: `model_corrupt` (unreadable), `model_unsupported` (a kind of tokenizer that is not
 * known).
 */
export async function loadTokenizer(folder: string): Promise<Tokenizer> {
  const json = await readJson(folder, 'tokenizer.json')
  if (json === null) throw corrupt({ folder, file: 'tokenizer.json' }, 'it is missing')
  const config = (await readJson(folder, 'tokenizer_config.json')) ?? {}
  const templateFile = await readText(folder, 'chat_template.jinja')
  try {
    return tokenizerFrom(json, config, templateFile)
  } catch (error) {
    if (error instanceof IsochroneError) throw error
    throw corrupt(
      { folder, file: 'tokenizer.json' },
      error instanceof Error ? error.message : String(error),
      error,
    )
  }
}

/** As `loadTokenizer`, from what the files hold. */
export function tokenizerFrom(
  json: Fields,
  config: Fields,
  templateFile: string | null,
): Tokenizer {
  const addedTokens = addedTokensOf(json)
  const special = addedTokens.filter((token) => token.special)
  const plain = withoutSpecialTokens(json, new Set(special.map((token) => token.content)))
  const model = new HuggingFaceTokenizer(plain, { ...config, additional_special_tokens: [] })
  const vocabulary = model.model?.vocab ?? []
  const added = new Map(addedTokens.map((token) => [token.id, token]))
  const size = addedTokens.reduce((most, token) => Math.max(most, token.id + 1), vocabulary.length)
  if (size > vocabularySizeMax) {
    throw new IsochroneError(
      'model_unsupported',
      `The vocabulary has ${size} entries; the limit is ${vocabularySizeMax}.`,
    )
  }
  const bytes = tokenBytesOf(size, spellingOf(json['decoder']), (id) => {
    const token = added.get(id)
    if (token !== undefined) return token.special ? null : { text: token.content, literal: true }
    const text = vocabulary[id]
    return text === undefined ? null : { text, literal: false }
  })
  const source = templateFile ?? templateOf(config['chat_template'])
  return new Tokenizer({
    model,
    addedTokens,
    bytes,
    textOf: (id) => added.get(id)?.content ?? vocabulary[id],
    chatTemplate: source === null ? null : new ChatTemplate(source),
    templateVariables: specialTexts(config),
  })
}

function addedTokensOf(json: Fields): AddedToken[] {
  const list = json['added_tokens']
  if (list === undefined || list === null) return []
  if (!Array.isArray(list)) throw new Error('added_tokens is not a list')
  return list.map((entry: unknown, index) => {
    const fields = isFields(entry) ? entry : {}
    const { id, content } = fields
    if (typeof id !== 'number' || !Number.isSafeInteger(id) || id < 0 || id >= vocabularySizeMax) {
      throw new Error(`added_tokens[${index}].id is not a token id`)
    }
    if (typeof content !== 'string')
      throw new Error(`added_tokens[${index}].content is not a string`)
    return {
      id,
      content,
      special: fields['special'] === true,
      normalized: fields['normalized'] === true,
      lstrip: fields['lstrip'] === true,
      rstrip: fields['rstrip'] === true,
    }
  })
}

/**
 * The same tokenizer, but unable to make a special token from text: neither by its list of added
 * tokens nor because a whole word is an entry of the vocabulary.
 */
function withoutSpecialTokens(json: Fields, special: ReadonlySet<string>): Fields {
  const model = isFields(json['model']) ? json['model'] : {}
  const { vocab, unk_token: unknown } = model
  const hidden = (token: string) => special.has(token) && token !== unknown
  let plain: unknown = vocab
  if (Array.isArray(vocab)) {
    plain = vocab.map((entry: unknown) =>
      Array.isArray(entry) && hidden(String(entry[0]))
        ? [`\ufdd1${String(entry[0])}`, entry[1]]
        : entry,
    )
  } else if (isFields(vocab)) {
    plain = Object.fromEntries(Object.entries(vocab).filter(([token]) => !hidden(token)))
  }
  return { ...json, added_tokens: [], model: { ...model, vocab: plain } }
}

/** One template, or several by name, of which `default` counts. */
function templateOf(value: unknown): string | null {
  if (typeof value === 'string') return value
  if (!Array.isArray(value)) return null
  const entry = value.find((one: unknown) => isFields(one) && one['name'] === 'default')
  return isFields(entry) && typeof entry['template'] === 'string' ? entry['template'] : null
}

function specialTexts(config: Fields): Record<string, string> {
  const texts: Record<string, string> = {}
  for (const name of ['bos_token', 'eos_token', 'pad_token', 'unk_token']) {
    const value = config[name]
    const text = isFields(value) ? value['content'] : value
    if (typeof text === 'string') texts[name] = text
  }
  return texts
}

async function readJson(folder: string, name: string): Promise<Fields | null> {
  const text = await readText(folder, name)
  if (text === null) return null
  try {
    const value: unknown = JSON.parse(text)
    if (isFields(value)) return value
  } catch (error) {
    throw corrupt({ folder, file: name }, 'it is not valid JSON', error)
  }
  throw corrupt({ folder, file: name }, 'it is not a JSON object')
}

async function readText(folder: string, name: string): Promise<string | null> {
  let bytes: Buffer
  try {
    bytes = await readFile(join(folder, name))
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null
    throw corrupt({ folder, file: name }, 'it cannot be read', error)
  }
  if (bytes.length > fileBytesMax)
    throw corrupt({ folder, file: name }, `it has ${bytes.length} bytes`)
  return bytes.toString('utf8')
}

function corrupt(at: { folder: string; file: string }, reason: string, cause?: unknown) {
  const { folder, file } = at
  return new IsochroneError(
    'model_corrupt',
    `${join(folder, file)} is no usable tokenizer: ${reason}.`,
    {
      detail: { file, reason },
      cause,
    },
  )
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
