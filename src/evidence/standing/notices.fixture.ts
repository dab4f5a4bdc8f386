/** For tests: what gateways tell of nodes, true and untrue. */
import {
  createIdentity,
  envelopeToJson,
  hashBody,
  type Identity,
  type JsonObject,
  type ModelDigest,
  modelDigestOf,
  type Receipt,
  receiptHash,
  resultHash,
  type SignedEnvelope,
  signEnvelope,
} from '../../protocol/index.ts'
import type { FaultKind } from './fault.ts'
import type { Incident, SignedStep } from './incident.ts'
import { StandingBook } from './standing-book.ts'

export const network = 'test'
export const askedModel = modelDigestOf('ab'.repeat(32))
export const otherModel = modelDigestOf('cd'.repeat(32))

interface Answered {
  readonly gateway: Identity
  readonly node: Identity
  readonly asked?: ModelDigest | null | undefined
  readonly answered?: ModelDigest | null
  readonly network?: string
  readonly atMs?: number
  readonly receipt?: Receipt
}

export interface Exchange {
  readonly asked: SignedEnvelope
  readonly result: SignedEnvelope
  readonly output: Uint8Array
}

let exchanges = 0
let incidents = 0

/** A request and its result, as both sides signed them. */
export function exchange(about: Answered): Exchange {
  const { asked: wanted = askedModel, atMs = 1_700_000_000_000, gateway, node } = about
  exchanges += 1
  const times = { issuedAtMs: atMs, expiresAtMs: atMs + 1_000 }
  const common = { network: about.network ?? network, ...times }
  const asked = signEnvelope(gateway, {
    ...common,
    domain: 'request',
    recipient: node.id,
    bodyHash: hashBody(Buffer.from(`question ${exchanges}`)),
    nonce: hashBody(Buffer.from(`asked ${exchanges}`)).subarray(0, 16),
    modelDigest: wanted,
  })
  const { receipt } = about
  const output =
    receipt === undefined ? hashBody(Buffer.from(`answer ${exchanges}`)) : receiptHash(receipt)
  const result = signEnvelope(node, {
    ...common,
    domain: 'result',
    recipient: gateway.id,
    bodyHash: resultHash(asked.envelope, output),
    nonce: hashBody(Buffer.from(`result ${exchanges}`)).subarray(0, 16),
    modelDigest: about.answered === undefined ? wanted : about.answered,
  })
  return { asked, result, output }
}

/** Of 40 tokens that came by their ids, in answer to a chat of 120 bytes. */
export function receiptOf(bill: Partial<Receipt['bill']>): Receipt {
  return {
    content: hashBody(Buffer.from('an answer')),
    work: {
      ...{ kind: 'chat', promptUnits: 120, parts: 0, choices: 1, tokensMax: null, stopBytes: 0 },
      ...{ tokenIds: 40, bareBytes: 0 },
    },
    bill: { promptTokens: 7, completionTokens: 40, ...bill },
  }
}

export function evidenceOf({ asked, output, result }: Exchange): JsonObject {
  return {
    found: 'whatever the gateway says',
    asked: envelopeToJson(asked),
    result: envelopeToJson(result),
    outputHash: Buffer.from(output).toString('base64'),
  }
}

/** A gateway with its book, and every step that it signed. */
export class TellingGateway {
  readonly identity: Identity
  readonly book: StandingBook
  readonly steps: SignedStep[] = []

  constructor(nowMs: () => number, identity = createIdentity()) {
    this.identity = identity
    this.book = new StandingBook({
      clock: { now: nowMs } as ConstructorParameters<typeof StandingBook>[0]['clock'],
      random: {
        bytes: (length: number) => {
          incidents += 1
          const seed = Buffer.from(`incident ${incidents}`)
          return hashBody(seed).subarray(0, length)
        },
      } as ConstructorParameters<typeof StandingBook>[0]['random'],
      identity,
      populationOf: () => 1_000,
      onStep: (_: Incident, signed: SignedStep) => void this.steps.push(signed),
    })
  }

  /** What it tells when it quarantines a node. */
  accuse(node: Identity, kind: FaultKind, evidence: JsonObject): SignedStep {
    this.book.report(node.id, { kind, evidence }, {})
    const step = this.steps.at(-1)
    if (step === undefined) throw new Error('a quarantine is a step')
    return step
  }

  lift(node: Identity): SignedStep {
    const incident = this.book
      .incidents()
      .find(
        ({ state, subject }) =>
          state !== 'closed' && 'worker' in subject && subject.worker === node.id,
      )
    if (incident === undefined) throw new Error('there is something to lift')
    this.book.rule(incident.id, { decision: 'lift', reason: 'mended', appeal: null, by: 'key_1' })
    const step = this.steps.at(-1)
    if (step === undefined) throw new Error('a decision is a step')
    return step
  }
}
