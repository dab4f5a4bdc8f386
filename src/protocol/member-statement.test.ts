import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createIdentity } from './identity.ts'
import { signStatement, statementLifeMs, verifyStatement } from './member-statement.ts'
import type { Statement, StatementBody } from './membership.ts'

const [subject, accuser] = [createIdentity(), createIdentity()]
const now = 1_700_000_000_000
const context = { scope: 'test/cluster', now }
const bodies: readonly StatementBody[] = [
  { kind: 'alive', subject: subject.id, incarnation: 7, payload: Uint8Array.of(1, 2) },
  { kind: 'left', subject: subject.id, incarnation: 7 },
  { kind: 'suspect', subject: subject.id, incarnation: 7, accuser: accuser.id },
  { kind: 'dead', subject: subject.id, incarnation: 7, accuser: accuser.id },
]

function signed(body: StatementBody, by = 'accuser' in body ? accuser : subject): Statement {
  return signStatement(by, body, context) as Statement
}

test('a statement is valid by its own signer, in its scope, for its time', () => {
  for (const body of bodies) {
    const statement = signed(body)
    assert.equal(verifyStatement(statement, context), 'valid')
    assert.equal(verifyStatement(statement, { ...context, scope: 'test/other' }), 'forged')
    const late = { ...context, now: now + 2 * statementLifeMs }
    assert.equal(verifyStatement(statement, late), 'expired')
    const early = { ...context, now: now - 2 * statementLifeMs }
    assert.equal(verifyStatement(statement, early), 'expired')
  }
})

test('another signer, or any changed field, is a forgery', () => {
  for (const body of bodies) {
    const wrong = 'accuser' in body ? subject : accuser
    assert.equal(verifyStatement(signed(body, wrong), context), 'forged')
    const statement = signed(body)
    const changed: Statement[] = [
      { ...statement, incarnation: 8 },
      { ...statement, issuedAtMs: now - 1 },
      { ...statement, signature: statement.signature.map((byte) => byte ^ 1) },
    ]
    if (statement.kind === 'alive') changed.push({ ...statement, payload: Uint8Array.of(1, 3) })
    if (statement.kind === 'suspect') changed.push({ ...statement, kind: 'dead' })
    for (const other of changed) assert.equal(verifyStatement(other, context), 'forged')
  }
})
