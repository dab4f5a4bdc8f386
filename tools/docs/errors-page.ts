/** docs/errors.md, from the one table of error codes. */
import { errorCodes, grpcStatus } from '../../src/protocol/index.ts'
import { code, markdownTable, page } from './markdown.ts'

export function errorsPage(): string {
  const statusNames = new Map(Object.entries(grpcStatus).map(([name, value]) => [value, name]))
  const rows = Object.entries(errorCodes).map(([name, entry]) => [
    code(name),
    String(entry.http),
    `${entry.grpc} ${statusNames.get(entry.grpc as 0)}`,
    code(entry.type),
    entry.retryable ? 'yes' : 'no',
    entry.blame,
    entry.meaning,
  ])
  const titles = ['code', 'HTTP', 'gRPC', 'type', 'retryable', 'blame', 'meaning']
  return page('Error codes', [
    `Every failure carries one of these codes, over HTTP, between peers and in the log. A client
sees it in OpenAI's shape:

\`\`\`json
{
  "error": {
    "message": "No node offers the model nonesuch. GET /v1/models lists what is offered.",
    "type": "invalid_request_error",
    "param": "model",
    "code": "model_not_found"
  }
}
\`\`\`

In a stream that has begun, the same object comes as an event, and the stream ends after it. Between
peers the code travels in the trailer \`isochrone-code\` beside the gRPC status.`,
    `*Retryable*: another node may succeed where this one failed, so the gateway tries one if
nothing was sent to the client yet. *Blame*: whose fault it is in the evidence; only \`node\`
counts against a node.`,
    markdownTable(titles, rows),
  ])
}
