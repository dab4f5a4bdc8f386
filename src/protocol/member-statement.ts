/**
 * Signs and checks statements about members. A statement counts within its scope only: what was
 * said in one network or cluster cannot be shown in another.
 */
import { CanonicalWriter } from './canonical-writer.ts'
import { envelopeLimits } from './envelope-limits.ts'
import { type Identity, verifySignature } from './identity.ts'
import { publicKeyOf } from './ids.ts'
import {
  type Signed,
  type Statement,
  type StatementBody,
  signerOf,
  type Verification,
} from './membership.ts'

/** A member renews its own every quarter of an hour; two may be lost. */
export const statementLifeMs = 40 * 60_000

const domain = 'isochrone.v1.member-statement'
const nothing = new Uint8Array(0)

export interface StatementContext {
  readonly scope: string
  /** Wall-clock ms since 1970. */
  readonly now: number
}

export function signStatement<Body extends StatementBody>(
  identity: Identity,
  body: Body,
  { scope, now }: StatementContext,
): Signed<Body> {
  const issuedAtMs = Math.floor(now)
  return { ...body, issuedAtMs, signature: identity.sign(signedBytes(body, scope, issuedAtMs)) }
}

/** The signature first: `expired` was once true, `forged` never. */
export function verifyStatement(
  statement: Statement,
  { scope, now }: StatementContext,
): Verification {
  const { issuedAtMs, signature } = statement
  const bytes = signedBytes(statement, scope, issuedAtMs)
  if (!verifySignature(signerOf(statement), bytes, signature)) return 'forged'
  const ageMs = now - issuedAtMs
  const { clockSkewMaxMs } = envelopeLimits
  return ageMs > statementLifeMs + clockSkewMaxMs || ageMs < -clockSkewMaxMs ? 'expired' : 'valid'
}

function signedBytes(body: StatementBody, scope: string, issuedAtMs: number): Uint8Array {
  return new CanonicalWriter()
    .text(domain, 'latin1')
    .text(scope, 'utf8')
    .text(body.kind, 'latin1')
    .bytes(publicKeyOf(body.subject))
    .bytes('accuser' in body ? publicKeyOf(body.accuser) : nothing)
    .uint64(body.incarnation)
    .bytes(body.kind === 'alive' ? body.payload : nothing)
    .uint64(issuedAtMs)
    .done()
}
