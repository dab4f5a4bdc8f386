/** OpenAI's routes: what clients come for. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { TSchema } from 'typebox'
import type { Journey } from '../journey.ts'
import {
  type ChatBody,
  type CompletionBody,
  chatBody,
  completionBody,
  type EmbeddingBody,
  embeddingBody,
} from '../openai/schemas.ts'
import type { Client } from './client.ts'
import { chatAnswer, completionAnswer, embeddingAnswer, errorAnswers } from './openapi.ts'

export interface InferenceRouteModules {
  readonly journey: Journey
  readonly clientOf: (request: FastifyRequest, reply: FastifyReply) => Client
}

export function addInferenceRoutes(fastify: FastifyInstance, modules: InferenceRouteModules): void {
  const { journey, clientOf } = modules
  fastify.post<{ Body: ChatBody }>(
    '/v1/chat/completions',
    { schema: describe('Answers a conversation.', chatBody, chatAnswer) },
    async (request, reply) => {
      await journey.chat(request.body, clientOf(request, reply))
      return reply
    },
  )
  fastify.post<{ Body: CompletionBody }>(
    '/v1/completions',
    { schema: describe('Continues a text.', completionBody, completionAnswer) },
    async (request, reply) => {
      await journey.completion(request.body, clientOf(request, reply))
      return reply
    },
  )
  fastify.post<{ Body: EmbeddingBody }>(
    '/v1/embeddings',
    { schema: describe('Embeds texts as vectors.', embeddingBody, embeddingAnswer) },
    async (request, reply) => {
      await journey.embedding(request.body, clientOf(request, reply))
      return reply
    },
  )
}

function describe(summary: string, body: TSchema, answer: TSchema) {
  return { summary, tags: ['inference'], body, response: { 200: answer, ...errorAnswers } }
}
