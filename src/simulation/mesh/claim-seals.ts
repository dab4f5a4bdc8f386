/** Cheap seals for all that members sign: cards, rosters, standings, membership's statements. */
import type {
  ClusterClaim,
  ClusterClaimBody,
  ClusterClaimSeal,
  MachineSeals,
  Signed,
  Statement,
  StatementBody,
  Verification,
} from '../../mesh/index.ts'
import { cardLifeMs, type NodeId, signerOf } from '../../protocol/index.ts'
import type { CheapSeal } from '../seal.ts'

const nothing = new Uint8Array(0)
/** As protocol has it. */
const lifeMs = { statement: 40 * 60_000, card: cardLifeMs }

export function machineSeals(seal: CheapSeal, self: NodeId, wallMs: () => number): MachineSeals {
  return {
    claims: claimSeal(seal, self, wallMs),
    sign: (cluster, body) => signStatement({ seal, cluster }, body, wallMs()),
    verify: (cluster, statement) => verifyStatement({ seal, cluster }, statement, wallMs()),
    admits: () => true,
    wallMs,
  }
}

/** Outside of any cluster. */
export function sealStatement<Body extends StatementBody>(
  seal: CheapSeal,
  body: Body,
  issuedAtMs: number,
): Signed<Body> {
  return signStatement({ seal, cluster: '' }, body, issuedAtMs)
}

/** Its age is not looked at. */
export function checkStatement(seal: CheapSeal, statement: Statement): Verification {
  return verifyStatement({ seal, cluster: '' }, statement, statement.issuedAtMs)
}

interface Scope {
  readonly seal: CheapSeal
  readonly cluster: string
}

function signStatement<Body extends StatementBody>(
  { seal, cluster }: Scope,
  body: Body,
  issuedAtMs: number,
): Signed<Body> {
  const numbers = numbersOfStatement({ seal, cluster }, body, issuedAtMs)
  return { ...body, issuedAtMs, signature: seal.make(signerOf(body), numbers, payloadOf(body)) }
}

function verifyStatement(scope: Scope, statement: Statement, wallMs: number): Verification {
  const { issuedAtMs, signature } = statement
  const said = [numbersOfStatement(scope, statement, issuedAtMs), payloadOf(statement)] as const
  if (!scope.seal.holds(signature, signerOf(statement), said)) return 'forged'
  return wallMs - issuedAtMs > lifeMs.statement ? 'expired' : 'valid'
}

const kindNumbers = { alive: 0, suspect: 1, dead: 2, left: 3 } as const

function numbersOfStatement(
  { seal, cluster }: Scope,
  body: StatementBody,
  issuedAtMs: number,
): readonly number[] {
  const { kind, subject, incarnation } = body
  return [kindNumbers[kind], seal.ofText(cluster), seal.of(subject), incarnation, issuedAtMs]
}

function payloadOf(body: StatementBody): Uint8Array {
  return body.kind === 'alive' ? body.payload : nothing
}

/** Handed on as they are, and sealed: a claim that was changed is another object. */
const known = new WeakSet<ClusterClaim>()

function claimSeal(seal: CheapSeal, self: NodeId, wallMs: () => number): ClusterClaimSeal {
  return {
    sign(body) {
      const issuedAtMs = wallMs()
      const numbers = numbersOfClaim(seal, body, issuedAtMs)
      return { ...body, issuedAtMs, signature: seal.make(self, numbers, bytesOfClaim(body)) }
    },
    verify(claim: ClusterClaim): Verification {
      if (!known.has(claim)) {
        const signer = claim.kind === 'roster' ? claim.coordinator : claim.id
        const said = [numbersOfClaim(seal, claim, claim.issuedAtMs), bytesOfClaim(claim)] as const
        if (!seal.holds(claim.signature, signer, said)) return 'forged'
        known.add(claim)
      }
      const isOld = claim.kind === 'card' && wallMs() - claim.issuedAtMs > lifeMs.card
      return isOld ? 'expired' : 'valid'
    },
  }
}

function numbersOfClaim(seal: CheapSeal, body: ClusterClaimBody, issuedAtMs: number): number[] {
  const numbers = [seal.ofText(body.cluster), issuedAtMs]
  switch (body.kind) {
    case 'card':
      numbers.push(4, body.epoch, body.clusterSize)
      for (const { key, ms } of body.sketch) numbers.push(seal.ofText(key), ms * 1000)
      for (const ms of body.coordinate.position) numbers.push(ms * 1000)
      numbers.push(body.coordinate.heightMs * 1000, body.coordinate.error * 1000)
      return numbers
    case 'roster':
      numbers.push(5, body.version)
      for (const { id, epoch } of body.seats) numbers.push(seal.of(id), epoch)
      return numbers
    case 'standing':
      numbers.push(6, body.epoch)
      for (const id of body.far) numbers.push(seal.of(id))
      return numbers
  }
}

function bytesOfClaim(body: ClusterClaimBody): Uint8Array {
  return body.kind === 'card' ? body.contact : nothing
}
