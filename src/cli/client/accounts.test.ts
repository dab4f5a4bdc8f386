/** What a person reads of accounts. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type AccountView, dollars, renderAccount, renderAccounts } from './accounts.ts'
import { renderIncident } from './incidents.ts'

const plain = (text: string) => text
const style = { bold: plain, dim: plain, red: plain, green: plain, yellow: plain, cyan: plain }

const screen = { style, width: 200, commandOf: (command: string) => `isochrone ${command} -x` }

const account: AccountView = {
  worker: 'b'.repeat(52),
  is_held: false,
  owed_nano_dollars: 4_500,
  held_nano_dollars: 0,
  answers: 3,
  voids: 0,
  prompt_tokens: 21,
  completion_tokens: 6,
  last_at_ms: 1_700_000_000_000,
}
const held = {
  ...account,
  ...{ is_held: true, owed_nano_dollars: 0, held_nano_dollars: 4_500, voids: 1 },
}

test('the table tells what is owed, and what is held or void', () => {
  const text = renderAccounts([account, held], screen)
  assert.match(text, /bbbbbbbb +\$0\.0000045 +– +3 +– +21 +6 +2023-11-14 22:13:20/)
  assert.match(text, /One node, answer by answer:\n {2}isochrone accounts NODE -x\n/)
  assert.match(text, /What it did:\n {2}isochrone incidents -x\n$/)
  for (const line of text.split('\n').slice(4)) assert.ok(line.length <= 90, line)
  assert.match(text, /bbbbbbbb +\$0\.00 +\$0\.0000045 +3 +1 +21/)
})

test('one account is told answer by answer, with what was billed for each', () => {
  const entry = {
    ...{ decision: 'dec_1', at_ms: 1_700_000_000_000, model: 'm', tier: null, state: 'void' },
    ...{ hardware_class: 'cpu', prompt_tokens: 0, completion_tokens: 0, amount_nano_dollars: 0 },
    billed: { prompt_tokens: 7, completion_tokens: 900 },
  }
  const text = renderAccount({ ...held, entries: [entry] }, screen)
  assert.match(text, /\$0\.0000045 for 3 answers: held, until its incident is over\n +1 false bill/)
  assert.match(text, /dec_1 +2023-11-14 22:13:20 +m +0 \+ 0 +\$0\.00 +void, billed 7 \+ 900\n/)
  assert.match(text, /\n\nThe newest 1 of 4\. Tokens: /)
})

test('an incident tells what was found and what is held', () => {
  const incident = {
    ...{ id: `inc_${'a'.repeat(26)}`, class: 'severe', state: 'quarantined', rulings: [] },
    ...{ subject: { kind: 'worker', worker: account.worker }, cause_in_words: 'a bill' },
    ...{ opened_at_ms: 0, closed_at_ms: null, shut_until_ms: null, recurrences: 0, because: null },
    ...{ evidence: { found: 'it billed 900' }, steps: [], account: held },
  }
  const text = renderIncident(incident, { style })
  assert.match(text, /\nFound {5}it billed 900\nEarned {4}\$0\.0000045 for 3 answers: held/)
  assert.match(text, /\n {10}1 false bill: void\n/)
})

test('amounts have as many digits as say something', () => {
  for (const [nano, text] of [
    [0, '$0.00'],
    [1, '$0.000000001'],
    [4_500, '$0.0000045'],
    [1_250_000_000, '$1.25'],
  ] as const) {
    assert.equal(dollars(nano), text)
  }
})
