/** What a person reads of incidents, and how a decision is asked for. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { incidentStates } from '../../evidence/index.ts'
import type { CommandContext } from '../options/command.ts'
import { harmless } from '../terminal/harmless.ts'
import { shownJson } from './gateway-client.ts'
import { type IncidentView, renderIncident, renderIncidents, runIncidents } from './incidents.ts'

const plain = (text: string) => text
const style = { bold: plain, dim: plain, red: plain, green: plain, yellow: plain, cyan: plain }
const id = `inc_${'a'.repeat(26)}`

const incident: IncidentView = {
  id,
  class: 'severe',
  subject: { kind: 'worker', worker: 'b'.repeat(52) },
  cause_in_words: 'a result whose signature is not its own',
  state: 'quarantined',
  opened_at_ms: 1_700_000_000_000,
  closed_at_ms: null,
  shut_until_ms: null,
  recurrences: 0,
  because: null,
  rulings: [],
}

test('the list names each one, what it is about, and what was found', () => {
  const shared = { kind: 'shared', trait: 'engine', value: 'onnx/cpu' }
  const other = { ...incident, subject: shared, state: 'asked' }
  const text = renderIncidents([incident, other], { style, width: 200 })
  assert.match(
    text,
    new RegExp(`${id} +2023-11-14 22:13:20 +quarantined +bbbbbbbb +a result whose`),
  )
  assert.match(text, /asked +all of engine onnx\/cpu/)
})

test('a gateway that many share has a short name, so that the table fits', () => {
  const subject = { kind: 'shared', trait: 'gateway', value: `${'c'.repeat(51)}a` }
  const text = renderIncidents([{ ...incident, subject, state: 'asked' }], { style, width: 200 })
  assert.match(text, /asked +all of gateway cccccccc +a result/)
})

test('each state that is not over is explained', () => {
  for (const state of incidentStates.filter((one) => one !== 'closed')) {
    const text = renderIncident({ ...incident, state, evidence: {}, steps: [] }, { style })
    assert.match(text, new RegExp(`State {5}${state}\n {10}[A-Z].*\\.\n`))
  }
})

test('how often it came again is said in words', () => {
  const again = (recurrences: number) =>
    renderIncident({ ...incident, recurrences, evidence: {}, steps: [] }, { style })
  assert.doesNotMatch(again(0), /Again/)
  assert.match(again(1), /\nAgain {5}once\n/)
  assert.match(again(2), /\nAgain {5}2 times\n/)
})

test('one of them is shown with its evidence, its steps and what was decided', () => {
  const ruling = { decision: 'lift', reason: 'mended', appeal: 'a bug', by: 'key_1' }
  const json = JSON.stringify({ step: 1, atMs: 1_700_000_000_000, kind: 'opened', state: 'shut' })
  const whole = {
    ...incident,
    rulings: [ruling],
    evidence: { found: 'it' },
    steps: [{ json, signature: 'x' }],
  }
  const text = renderIncident(whole, { style })
  for (const part of [
    /About {5}b{52}\n/,
    /appeal: a bug\n +lift by key_1: mended/,
    /1\. 2023-11-14 22:13:20 opened: shut/,
    /"found": "it"/,
  ]) {
    assert.match(text, part)
  }
})

test('of a quarantine it is said from when on its node may prove itself', () => {
  const until = { ...incident, shut_until_ms: 1_700_003_600_000, evidence: {}, steps: [] }
  assert.match(
    renderIncident(until, { style }),
    /State {5}quarantined; may prove itself from 2023-11-14 23:13:20\n/,
  )
  const shut = { ...until, state: 'shut' }
  assert.match(renderIncident(shut, { style }), /State {5}shut, until 2023-11-14 23:13:20\n/)
  const step = { step: 2, atMs: 0, kind: 'recurred', state: 'quarantined', cause: 'result-model' }
  const steps = [{ json: JSON.stringify(step), signature: 'x' }]
  const again = renderIncident({ ...until, steps }, { style })
  const ruling = { decision: 'attest', reason: 'mended' }
  const ruled = { step: 3, atMs: 0, kind: 'ruled', state: 'quarantined', cause: null, ruling }
  const decided = [{ json: JSON.stringify(ruled), signature: 'x' }]
  assert.match(
    renderIncident({ ...until, steps: decided }, { style }),
    /3\. 1970-01-01 00:00:00 ruled: quarantined \(attest\)/,
  )
  assert.match(again, /2\. 1970-01-01 00:00:00 recurred: quarantined \(result-model\)/)
})

test('a decision without a reason, or about nothing, is not sent', async () => {
  const client = { url: 'http://127.0.0.1:1', 'api-key': 'iso_x', data: '/nowhere', json: false }
  const asked = { ...client, all: false, appeal: undefined, subject: id }
  const run = (action: string, more: object) =>
    runIncidents({ ...asked, reason: undefined, action, ...more }, {
      folder: '/',
    } as CommandContext)
  await assert.rejects(run('lift', {}), /lift needs --reason/)
  await assert.rejects(run('uphold', { reason: ' ' }), /uphold needs --reason/)
  await assert.rejects(run('attest', {}), /attest needs --reason/)
  await assert.rejects(run('show', { subject: 'dec_x' }), /"inc_" and 26 letters/)
})

test('what a node calls its engine moves no cursor; a program gets every byte', async () => {
  const value = 'onnx\u001b[2J\u009b2J\u202e\r'
  const subject = { kind: 'shared', trait: 'engine', value }
  const data = [{ ...incident, subject, rulings: [{ reason: `a\u001b]0;x\u0007` }] }]
  const answer = () => new Response(JSON.stringify({ data }))
  const shown = (await shownJson(answer(), false)) as { readonly data: readonly IncidentView[] }
  const text = renderIncidents(shown.data, { style, width: 200 })
  assert.match(text, /all of engine onnx\ufffd\[2J\ufffd2J\ufffd\ufffd /)
  assert.deepEqual(await shownJson(answer(), true), { data })
  assert.equal(harmless('two\nlines\tof Käse 🦙'), 'two\nlines\tof Käse 🦙')
})
