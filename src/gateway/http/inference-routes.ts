/** OpenAI's routes: what clients come for. */
import type { Journey } from '../journey.ts'
import {
  type ChatBody,
  type CompletionBody,
  chatBody,
  completionBody,
  type EmbeddingBody,
  embeddingBody,
} from '../openai/schemas.ts'
import { checkChatBody, checkCompletionBody, checkEmbeddingBody } from '../openai/validation.ts'
import { chatAnswer, completionAnswer, embeddingAnswer } from './openapi.ts'
import type { Route, RouteDocument } from './route-table.ts'

export function inferenceRoutes(journey: Journey): readonly Route[] {
  return [
    {
      ...inference('/v1/chat/completions', {
        summary: 'Answers a conversation.',
        body: chatBody,
        answer: chatAnswer,
        otherTypes: ['text/event-stream'],
      }),
      check: checkChatBody,
      handle: (client, body) => journey.chat(body as ChatBody, client),
    },
    {
      ...inference('/v1/completions', {
        summary: 'Continues a text.',
        body: completionBody,
        answer: completionAnswer,
        otherTypes: ['text/event-stream'],
      }),
      check: checkCompletionBody,
      handle: (client, body) => journey.completion(body as CompletionBody, client),
    },
    {
      ...inference('/v1/embeddings', {
        summary: 'Embeds texts as vectors.',
        body: embeddingBody,
        answer: embeddingAnswer,
      }),
      check: checkEmbeddingBody,
      handle: (client, body) => journey.embedding(body as EmbeddingBody, client),
    },
  ]
}

/** Every error that one of these routes can give. */
const errorStatuses = [400, 401, 404, 413, 415, 429, 500, 502, 503, 504]

function inference(path: string, words: Omit<RouteDocument, 'tag' | 'errorStatuses'>) {
  return {
    method: 'POST' as const,
    path,
    document: { ...words, tag: 'inference' as const, errorStatuses },
  }
}
