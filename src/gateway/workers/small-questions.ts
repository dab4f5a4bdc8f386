/**
 * Something small that a gateway itself asks, in the manner of a client's: nobody who has a list of
 * questions knows these.
 */
import type { Random } from '../../base/index.ts'
import {
  type EmbeddingRequest,
  type GenerationRequest,
  type OfferedModel,
  requestIdOf,
} from '../../protocol/index.ts'
import { parseChat, parseCompletion } from '../openai/parse-generation.ts'

export type SmallQuestion = EmbeddingRequest | GenerationRequest

/** As in a client's body. */
export interface QuestionFields {
  readonly max_tokens: number
  readonly temperature?: number
  readonly seed?: number
}

export function isGeneration(question: SmallQuestion): question is GenerationRequest {
  return question.kind !== 'embedding'
}

export function canBeAsked({ features }: Pick<OfferedModel, 'features'>): boolean {
  return features.some((one) => one === 'chat' || one === 'completion' || one === 'embedding')
}

export function smallQuestion(
  { digest, features, name }: OfferedModel,
  random: Random,
  fields: QuestionFields,
): SmallQuestion {
  const content = wordsOf(random)
  const requestId = requestIdOf(random.bytes(16))
  const common = { model: name, stream: true, ...fields }
  if (features.includes('chat')) {
    const messages = [{ role: 'user' as const, content }]
    return { ...parseChat({ ...common, messages }, requestId, random).request, modelDigest: digest }
  }
  if (features.includes('completion')) {
    const { request } = parseCompletion({ ...common, prompt: content }, requestId, random)
    return { ...request, modelDigest: digest }
  }
  const asked = { requestId, model: name, modelDigest: digest }
  return { kind: 'embedding', ...asked, input: [content], dimensions: null }
}

function wordsOf(random: Random): string {
  const one = (words: readonly string[]) => words[random.below(words.length)] ?? ''
  const [a, b] = [10 + random.below(990), 10 + random.below(990)]
  const kinds = [
    () => `What is ${a} plus ${b}?`,
    () => `Which is larger, ${a} or ${b}?`,
    () => `Continue: ${a}, ${a + 1}, ${a + 2}`,
    () => `Name a city in ${one(countries)}.`,
    () => `What is the capital of ${one(countries)}?`,
    () => `What does one do with a ${one(things)}?`,
    () => `Write a line about a ${one(things)} and a ${one(things)}.`,
    () => `Say ${one(things)} in ${one(languages)}.`,
  ]
  return (kinds[random.below(kinds.length)] ?? (() => 'Say hello.'))()
}

const countries = [
  ...(['Peru', 'Kenya', 'Norway', 'Vietnam', 'Chile', 'Poland', 'Ghana', 'Nepal'] as const),
  ...(['Canada', 'Greece', 'Mexico', 'Turkey', 'Japan', 'Jordan', 'Cuba', 'Iceland'] as const),
]
const things = [
  ...(['hammer', 'river', 'lamp', 'window', 'horse', 'spoon', 'bridge', 'letter'] as const),
  ...(['garden', 'clock', 'ladder', 'candle', 'stone', 'basket', 'mirror', 'coat'] as const),
]
const languages = ['French', 'Spanish', 'German', 'Italian', 'Portuguese', 'Latin'] as const
