/** What would be decided for a request, without sending it anywhere. */

import type { Random } from '../../base/index.ts'
import { json } from '../../base/index.ts'
import { asIsochroneError, type IsochroneError } from '../../protocol/index.ts'
import type { RouteRequest } from '../../routing/index.ts'
import type { Admission } from '../admission/admission.ts'
import type { Router } from '../dispatch/router.ts'
import type { Journey } from '../journey.ts'
import type { GatewayMetrics } from '../metrics.ts'
import { choicesOf } from '../openai/generation-rendering.ts'
import { parseEmbedding } from '../openai/parse-embedding.ts'
import { parseChat, parseCompletion } from '../openai/parse-generation.ts'
import {
  type ChatBody,
  type CompletionBody,
  chatBody,
  completionBody,
  type EmbeddingBody,
  embeddingBody,
} from '../openai/schemas.ts'
import { checkChatBody, checkCompletionBody, checkEmbeddingBody } from '../openai/validation.ts'
import type { Client } from './client.ts'
import { decisionQuery, tell } from './decision-routes.ts'
import { previewAnswer } from './decision-schemas.ts'
import type { Route } from './route-table.ts'

export interface PreviewRouteModules {
  readonly random: Random
  readonly admission: Admission
  readonly router: Router
  readonly metrics: GatewayMetrics
  readonly journey: Pick<Journey, 'asks'>
}

type PreviewBody = ChatBody | CompletionBody | EmbeddingBody

export function previewRoute(modules: PreviewRouteModules): Route {
  const { router } = modules
  return {
    method: 'POST',
    path: '/v1/route/preview',
    check,
    document: {
      tag: 'information',
      summary: 'Where a request would go now, and why; nothing is sent, and nothing is kept.',
      body: json.union([chatBody, completionBody, embeddingBody]),
      answer: previewAnswer,
      otherTypes: ['text/plain'],
      errorStatuses: [400, 401, 413, 415, 429, 503],
      query: decisionQuery,
    },
    handle(client, body) {
      const { route, tokens } = askedIn(body as PreviewBody, client, modules)
      admit(client, tokens, modules)
      tell(client, router.preview(route, client.account.keyId), { isPreview: true })
    },
  }
}

/** By the field that only one kind of body has. */
function check(body: unknown): IsochroneError | undefined {
  const isObject = typeof body === 'object' && body !== null
  if (isObject && 'input' in body) return checkEmbeddingBody(body)
  return isObject && 'prompt' in body ? checkCompletionBody(body) : checkChatBody(body)
}

interface Asked {
  readonly route: RouteRequest
  /** That the request itself would be admitted with. */
  readonly tokens: number
}

function askedIn(
  body: PreviewBody,
  client: Client,
  { journey, random }: PreviewRouteModules,
): Asked {
  const { requestId } = client
  if ('input' in body) {
    const { route } = parseEmbedding(body as EmbeddingBody, requestId)
    return { route, tokens: route.promptTokens }
  }
  const asked =
    'prompt' in body
      ? parseCompletion(body as CompletionBody, requestId, random)
      : parseChat(body as ChatBody, requestId, random)
  const { promptTokens } = asked
  const { route } = journey.asks(asked, client)
  return { route, tokens: promptTokens + choicesOf(asked) * (route.maxTokens ?? 0) }
}

/** It counts as one of the key's requests, and costs no tokens. */
function admit(client: Client, tokens: number, { admission, metrics }: PreviewRouteModules): void {
  try {
    admission.admit(client.account, tokens).release(0)
  } catch (error) {
    metrics.refusal(asIsochroneError(error).code)
    throw error
  } finally {
    client.allowance(admission.allowance(client.account))
  }
}
