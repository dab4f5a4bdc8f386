/** docs/http.md, from the OpenAPI description that a running gateway gives of itself. */
import { secureRandom, silentLog, systemClock } from '../../src/base/index.ts'
import { EvidenceBook, type IncidentState } from '../../src/evidence/index.ts'
import { createGateway } from '../../src/gateway/index.ts'
import type { NodeState } from '../../src/mesh/index.ts'
import { createIdentity, requestLimits } from '../../src/protocol/index.ts'
import { defaultPolicy } from '../../src/routing/index.ts'
import { MemoryDecisionStore, MemoryObservationStore } from '../../src/storage/index.ts'
import { gatesTable } from './gates-table.ts'
import { code, markdownTable, page } from './markdown.ts'

interface Operation {
  readonly summary?: string
  readonly tags?: readonly string[]
  readonly security?: readonly unknown[]
}

export interface OpenApi {
  readonly components: {
    readonly headers: Readonly<Record<string, { readonly description: string }>>
  }
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
}

/** Under `isochrone`; a test finds each one in the schema. */
export const extensionFields: readonly (readonly [name: string, meaning: string])[] = [
  [
    'slo.ttft_ms',
    'only workers expected to give the first token within so many ms, the surest first',
  ],
  ['slo.tpot_ms', 'only workers expected to take at most so many ms for each further token'],
  [
    'max_price',
    'only workers whose price of the prompt and whose price of the completion are each no more ' +
      'than so many micro-dollars per million tokens',
  ],
  ['region', 'only workers of this declared region'],
  ['exclude', 'not these workers'],
]

const assumedTimes = `Of a worker that states no speed, as of an upstream server, a first token is
assumed to take as long as the policy's [\`assumed-ttft-ms\`](policy.md) says, one second by
default. Streamed answers outweigh that; whole answers show no first token. So where such servers
are to take requests with a shorter \`slo.ttft_ms\` from the start, set it lower, or let some
streamed requests without an objective come first.`

export async function httpPage(): Promise<string> {
  const { components, paths } = await describeGateway()
  const rows = Object.entries(paths).flatMap(([path, operations]) =>
    Object.entries(operations).map(([method, { summary, security }]) => [
      code(`${method.toUpperCase()} ${path}`),
      security?.length === 0 ? 'no' : 'yes',
      summary ?? '',
    ]),
  )
  return page('HTTP interface', [
    `The gateway speaks OpenAI's interface for chats, completions and embeddings.
\`GET /openapi.json\` describes every route: what it takes, what it answers, with which headers,
and its errors. An API key goes into
\`authorization: Bearer iso_…\`. Errors are in OpenAI's shape, with the codes of
[errors.md](errors.md).`,
    '## Routes',
    markdownTable(['route', 'API key', 'what it does'], rows),
    '## What is not there',
    `There are no other routes of OpenAI's than these: no \`/v1/responses\`, assistants, batches,
files, images, audio or moderations. Pages of other sites cannot ask from a browser: no CORS headers
are sent. The project's own engine chats and completes; it calls no tools, holds no answer to JSON
or a schema, embeds nothing and sees no images. Models behind an upstream server can, as far as that
server does. What nobody here can do is refused with 503 \`no_eligible_node\`, which says what.`,
    '## Streams',
    `With \`"stream": true\` the answer is a stream of server-sent events: a first chunk with the
role, deltas, a chunk with \`finish_reason\`, with \`"stream_options": {"include_usage": true}\` a
chunk with the usage, and \`data: [DONE]\`. When the node dies in mid-stream, another one goes on
with the same stream; where nobody can, an event with an \`error\` object comes, never a silent
end.`,
    '## Several answers',
    `\`n\` asks for several answers. \`POST /v1/completions\` also takes a list of prompts: choice
\`p × n + c\` is answer c to prompt p. Up to ${requestLimits.choicesMax} answers come in one
request. All of them are made by one node, under one decision; choice i samples with the seed plus
i.`,
    '## What a request may add',
    `Fields under \`isochrone\` say what routing has to respect:

\`\`\`json
{
  "isochrone": {
    "slo": {"ttft_ms": 500, "tpot_ms": 50},
    "max_price": 20,
    "region": "eu-west",
    "exclude": ["NODE_ID"]
  }
}
\`\`\``,
    markdownTable(
      ['field', 'meaning'],
      extensionFields.map(([name, meaning]) => [code(name), meaning]),
    ),
    assumedTimes,
    `Other fields that this interface does not know reach an upstream server as they are. The
project’s own engine does not look at them.`,
    ...aboutDecisions,
    'A decision names the gates that it asked, and whom each of them rejected:',
    gatesTable(),
    ...aboutIncidents,
    ...aboutAccounts,
    ...aboutMesh,
    ...aboutCounting,
    '## Headers of answers',
    markdownTable(
      ['header', 'meaning'],
      Object.entries(components.headers).map(([name, one]) => [code(name), one.description]),
    ),
  ])
}

const aboutDecisions: readonly string[] = [
  '## Decisions',
  `\`GET /v1/decisions/ID\` says why a request went where it went: as JSON with all that was
weighed, or in words with \`?format=text\` (\`&columns=60\` for a narrow screen).
\`GET /v1/decisions\` lists the newest 20, with \`?limit=\` up to 200. Of the
rejected the first few of each gate are shown; \`?rejections=all\` shows all that are kept. The
newest 10,000 decisions are kept, also over a restart. A key reads the decisions of its own
requests; others do not exist for it. An operator's key reads all, also those from before keys
were noted in them. \`npm start\` makes one for its machine, in \`local-key\` of the data
folder; \`isochrone keys create --operator\` makes others.`,
  `When its request is over, a decision is signed by the gateway's key as it is kept. Its \`seal\`
has the key and the signature, \`?format=record\` shows the very text that was signed, and
\`isochrone explain ID\` checks it. By hand: the SHA-256 of a byte 0 and the record is a leaf;
with \`siblings\` (base64, 32 bytes each, the nearest first) it leads to the root of a tree as
RFC 6962 has them; the \`signature\` (base64, Ed25519) is over \`isochrone.v1.decisions\`, a
byte 0, \`tree_size\` in 4 bytes with the highest first, and the root. The key is \`gateway\`,
in base32 (RFC 4648, small letters, no padding).`,
  `\`predicted_tokens\` are those of the answer that the predicted times rest on: what this
gateway saw of the model lately (\`request.usual_answer\`, in steps), weighed against what the
policy assumes, and no more than \`max_tokens\`. \`completion_tokens\`, for gates and the price, are
assumed alone. What is learnt so is not kept when the gateway stops
([record 0044](decisions/0044-how-long-answers-are.md)).`,
  `\`?format=replay\` adds what the decision saw of all nodes, as far as it is kept (64 MB of it),
and \`isochrone explain ID --replay\` makes the decision again from that, by the code that made
it, and says whether it comes out the same.`,
  `\`POST /v1/route/preview\` takes the body of a request for a chat, a completion or an
embedding, and answers with the decision that it would get now. Nothing is sent and nothing is
kept; it counts as one of the key's requests, and costs no tokens. \`?format=text\` is in words:

\`\`\`
curl -s 'http://127.0.0.1:8080/v1/route/preview?format=text' \\
  -H "authorization: Bearer $ISOCHRONE_API_KEY" -H 'content-type: application/json' \\
  -d '{"model": "isochrone-tiny", "messages": [{"role": "user", "content": "Hello?"}]}'
\`\`\``,
]

/** What each state means. */
const incidentStateWords: Readonly<Record<IncidentState, string>> = {
  quarantined: 'it gets no request, until it may prove itself, or until an operator decides',
  proving: 'it has stated what it runs, and answers questions of this gateway, nobody else’s',
  probation: 'it has answered rightly, and gets a client’s request now and then',
  shut: 'it gets no request for a while: the time stands beside it',
  trial: 'it gets requests again; right answers end it, another fault shuts it out again',
  suspended: 'many failed together: nothing follows for this one until an operator decides',
  asked: 'about what many share: nothing follows by itself, an operator is asked to look',
  closed: 'it is over; it stays on record',
}

const aboutAccounts: readonly string[] = [
  '## Accounts',
  `What a node has earned at this gateway stands in its account: for each answer the tokens that
were delivered, at the prices that its node asked when the request was sent to it, and no more than
the [policy](policy.md) pays for its class of hardware in that tier. \`GET /v1/accounts\` lists the
accounts, \`GET /v1/accounts/ID\` has the newest 20 entries of one (\`?limit=1000\` as many),
\`isochrone accounts\` shows both; with an operator's key. Amounts are whole nano-dollars. Prices
are micro-dollars per million tokens: a node states them with \`--prompt-price\` and
\`--completion-price\`, 0 unless told, and then nothing is owed. An entry is \`owed\`; it is
\`void\` where the node billed far more than it can have delivered, and \`held\` while its node
is quarantined or works that off. **Nobody is paid by this**: there is no way to send money yet, and
each gateway keeps what it owes itself. [Record 0043](decisions/0043-ledger.md) says what is earned,
and by what.`,
]

/** What each state means. */
const nodeStateWords: Readonly<Record<NodeState, string>> = {
  alive: 'it is heard; `isochrone mesh` says `leaving` or `degraded` where its `health` says so',
  late: 'it has been silent for longer than usual, or its connection is gone; nobody doubts it yet',
  suspect: 'it did not answer those who look after it; it is dead unless it speaks within seconds',
  dead: 'it was not heard again; when it speaks, it is alive',
  left: 'it said that it goes',
}

const aboutMesh: readonly string[] = [
  '## The mesh',
  `\`GET /v1/mesh\` and \`GET /v1/clusters/ID\` say of every member in which state it is, as far as
this gateway knows; \`isochrone mesh\` shows it. \`tokens_per_second\` is what a node measured of
itself.`,
  markdownTable(
    ['state', 'meaning'],
    Object.entries(nodeStateWords).map(([state, meaning]) => [code(state), meaning]),
  ),
]

const aboutCounting: readonly string[] = [
  '## What counts',
  `A key has so many requests and tokens per minute. A request to a model counts as one, with its
tokens. So does, with none, whatever may be long or costs much to gather: decisions, nodes, the
mesh, the latency map, incidents, accounts, and previews. Models, health and metrics are free.`,
  `A request that no node can take, or whose answer fails before anything of it was sent, counts as
one too, and costs no tokens. One that is refused for a limit, for its key or for its form does not
count.`,
]

const aboutIncidents: readonly string[] = [
  '## Incidents',
  `What a node did that no average excuses is an incident. \`GET /v1/incidents\` lists the open
ones (\`?which=all\` the closed ones too), 100 of them, with \`?limit=\` up to 1,000;
\`isochrone incidents\` shows them in words. Evidence
and signed steps are for operators. [Record 0034](decisions/0034-evidence-and-standing.md) says
what counts as one, [record 0041](decisions/0041-working-a-quarantine-off.md) how a node works a
quarantine off.`,
  markdownTable(
    ['state', 'meaning'],
    Object.entries(incidentStateWords).map(([state, meaning]) => [code(state), meaning]),
  ),
  `An operator decides, with a reason that stays on record, and with what the owner of the node
had to say, if anything (\`appeal\`):

\`\`\`
curl -s http://127.0.0.1:8080/v1/incidents/ID/decision \\
  -H "authorization: Bearer $ISOCHRONE_API_KEY" -H 'content-type: application/json' \\
  -d '{"decision": "lift", "reason": "a faulty build, replaced", "appeal": "It was a bug."}'
\`\`\``,
  markdownTable(
    ['decision', 'what follows'],
    [
      [code('lift'), 'the incident is closed: nothing stands against the node here any more'],
      [
        code('uphold'),
        'a quarantine is from then on an operator’s alone to end; whoever is suspended, or ' +
          'suspended with what they share, gets no request for a while',
      ],
      [code('attest'), 'a quarantined node may prove itself from now on, without waiting'],
    ],
  ),
  `That a node has stated what it runs is a step of its incident, \`attested\`; where it does not,
or where its statement does not count, the gateway's log says why, and
\`isochrone_examinations_total\` ([metrics.md](metrics.md)) counts it.`,
]

/** What a gateway with nothing behind it says of itself. */
export async function describeGateway(): Promise<OpenApi> {
  const clock = systemClock
  const gateway = await createGateway(
    { httpAddress: '127.0.0.1:0', network: 'docs', softwareVersion: '0.0.0' },
    {
      clock,
      random: secureRandom,
      log: silentLog,
      identity: createIdentity(),
      apiKeys: { find: () => undefined },
      joinTokens: { accepts: () => false },
      policy: defaultPolicy,
      evidence: new EvidenceBook({ clock }),
      observations: new MemoryObservationStore(),
      decisions: new MemoryDecisionStore(),
    },
  )
  try {
    const address = await gateway.listen()
    const response = await fetch(`http://${address}/openapi.json`)
    return (await response.json()) as OpenApi
  } finally {
    await gateway.close()
  }
}
