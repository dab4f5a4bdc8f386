/** What `explain` makes of answers from gateways that err or lie. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type TestContext, test } from 'node:test'
import { createIdentity } from '../../protocol/index.ts'
import { type Decision, decide, sealAlone, ViewLog, withAttempt } from '../../routing/index.ts'
import { sampleCandidate, sampleInput, sampleRequest } from '../../routing/samples.fixture.ts'
import type { CommandContext } from '../options/command.ts'
import { plainStyle } from '../terminal/terminal.ts'
import { runExplain } from './explain.ts'

const gateway = createIdentity()

/** A decision as a gateway keeps it, with what it saw. */
function kept(region = 'eu-central', asked: string | null = null) {
  const candidates = [0, 1, 2].map((number) => sampleCandidate(number, { region }))
  const frame = new ViewLog(() => 'frame').begin()
  for (const candidate of candidates) frame.set(frame.place(), candidate)
  const input = sampleInput({ candidates, request: { ...sampleRequest, region: asked } })
  const view = frame.mark({ policy: input.policy, software: '0.0.1' }, false)
  const decision = decide({ ...input, view })
  const bytes = Buffer.from(view.piece()?.bytes ?? [])
  const record = JSON.stringify(decision)
  const { treeSize, ...seal } = sealAlone(gateway, record)
  return {
    decision,
    gateway: gateway.id,
    record,
    seal: { ...seal, tree_size: treeSize },
    views: [{ frame: 'frame', bytes: bytes.toString('base64') }],
  }
}

async function explained(t: TestContext, answer: unknown, more: object = {}) {
  const server = createServer((_, response) => response.end(JSON.stringify(answer)))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  const { port } = server.address() as AddressInfo
  let out = ''
  const terminal = {
    out: (text: string) => {
      out += text
    },
    note: () => {},
    interactive: false,
    redraws: false,
    columns: 200,
    width: 200,
    style: plainStyle,
    noteStyle: plainStyle,
  }
  const context: CommandContext = {
    ...{ terminal, env: {}, folder: '/', configurationFile: undefined },
    sourceOf: () => 'flag',
  }
  const options = {
    ...{ url: `http://127.0.0.1:${port}`, 'api-key': 'iso_x', data: '.', json: false },
    ...{ decision: idIn(answer), replay: false, preview: undefined, model: undefined },
    ...{ region: undefined, ...more },
  }
  const code = await runExplain(options, context)
  server.closeAllConnections()
  return { code, out }
}

/** Which decision is asked for: the one that comes. */
function idIn(answer: unknown): string {
  const { record = '' } = (answer ?? {}) as { readonly record?: string }
  return /"id":"(dec_\w+)"/.exec(record)?.[1] ?? 'dec_x'
}

test('a record that was signed is shown from what was signed, and made again', async (t) => {
  const whole = kept()
  const { code, out } = await explained(t, whole, { replay: true })
  assert.equal(code, 0)
  assert.ok(out.includes(`Decision ${whole.decision.id}`))
  assert.ok(out.includes(`Checked: this is what the gateway ${gateway.id} signed`))
  assert.match(out, /with the 3 nodes as they were then.*: the same decision\./)
  assert.match(out, /It was made by version 0\.0\.1; this is /)
})

test('a decision that an earlier version put in other words is the same one', async (t) => {
  const whole = kept()
  const { reason } = whole.decision
  const record = whole.record.replace(JSON.stringify(reason), '"It was put otherwise."')
  assert.notEqual(record, whole.record)
  const { treeSize, ...seal } = sealAlone(gateway, record)
  const answer = { ...whole, record, seal: { ...seal, tree_size: treeSize } }
  const { code, out } = await explained(t, answer, { replay: true })
  assert.equal(code, 0)
  assert.match(out, /: the same decision\..*\nIt is said in other words:\n {2}\/reason: kept /)
})

test('a record that was changed is told, and is no success', async (t) => {
  const whole = kept()
  const record = whole.record.replace('"promptTokens":100', '"promptTokens":101')
  assert.notEqual(record, whole.record)
  const { code, out } = await explained(t, { ...whole, record }, { replay: true })
  assert.equal(code, 1)
  assert.match(out, /NOT AS IT WAS SIGNED/)
  assert.match(out, /ANOTHER DECISION/)
})

test('a record that somebody else signed, or of another decision, is no success', async (t) => {
  const whole = kept()
  const { treeSize, ...seal } = sealAlone(createIdentity(), whole.record)
  const own = { ...whole, seal: { ...seal, tree_size: treeSize } }
  const { code, out } = await explained(t, own, { replay: true })
  assert.equal(code, 1)
  assert.match(out, /SIGNED BY ANOTHER KEY/)
  assert.doesNotMatch(out, /Checked/)
  const asked = { decision: `dec_${'b'.repeat(26)}` }
  await assert.rejects(explained(t, whole, asked), { code: 'malformed_message' })
  const { gateway: _, ...earlier } = whole
  assert.equal((await explained(t, earlier)).code, 0)
})

test('a record without a signature says so; one whose view is gone too', async (t) => {
  const whole = kept()
  const stripped = await explained(t, { ...whole, seal: null })
  assert.equal(stripped.code, 1)
  assert.match(stripped.out, /NOT SIGNED, although its request is over/)
  const { chosen } = whole.decision
  assert.ok(chosen !== null)
  const running = withAttempt(whole.decision, { worker: chosen, startedAtMs: 1 })
  for (const early of [running, { ...JSON.parse(whole.record), rounds: [] }]) {
    const record = JSON.stringify(early)
    const unsigned = await explained(t, { ...whole, record, seal: null })
    assert.equal(unsigned.code, 0)
    assert.match(unsigned.out, /Not signed: its request is still under way/)
  }
  const gone = await explained(t, { ...whole, views: [] }, { replay: true })
  assert.equal(gone.code, 1)
  assert.match(gone.out, /Not made again: .* not kept any more/)
})

test('what is no record, and what cannot be decided on, is refused', async (t) => {
  const whole = kept()
  for (const answer of [{}, 7, { ...whole, seal: 'good' }, { ...whole, views: 'none' }]) {
    await assert.rejects(explained(t, answer), { code: 'malformed_message' })
  }
  await assert.rejects(explained(t, { ...whole, record: '{}' }), { code: 'storage_failed' })
  const nonsense = nonsenseView(whole.decision)
  await assert.rejects(explained(t, nonsense, { replay: true }), { code: 'malformed_message' })
})

/** Its hash is right, and its policy is none. */
function nonsenseView(decision: Decision) {
  const frame = new ViewLog(() => 'frame').begin()
  frame.set(frame.place(), sampleCandidate(0))
  const view = frame.mark({ policy: null as never, software: '1' }, false)
  const rounds = decision.rounds.map((round) => ({ ...round, view }))
  const record = JSON.stringify({ ...JSON.parse(JSON.stringify(decision)), rounds })
  const bytes = Buffer.from(view.piece()?.bytes ?? []).toString('base64')
  return { record, seal: null, views: [{ frame: 'frame', bytes }] }
}

test('what strangers wrote into a record moves no cursor', async (t) => {
  const { out } = await explained(t, kept('\u001b[2Jnowhere', 'eu'))
  assert.ok(out.includes('[2Jnowhere'))
  assert.equal(out.includes('\u001b'), false)
})
