import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ManualTurn, systemTurn, type Turn } from './turn.ts'

const nextTurn = () => new Promise<void>((resolve) => setImmediate(resolve))

for (const [name, turn, end] of turns()) {
  test(`${name}: what is made is in time for what is sent, whoever asked first`, async () => {
    const seen: string[] = []
    turn.sending(() => seen.push('sent'))
    const made = new Promise<void>((resolve) => turn.beforeSending(resolve))
    void afterSomeCallbacks(made).then(() => {
      seen.push('made')
      turn.sending(() => seen.push('sent what was made'))
    })
    await Promise.resolve()
    assert.deepEqual(seen, [])
    await end()
    assert.deepEqual(seen, ['made', 'sent', 'sent what was made'])
  })

  test(`${name}: an action runs once, in its order`, async () => {
    const seen: number[] = []
    for (const value of [1, 2, 3]) turn.beforeSending(() => seen.push(value))
    await end()
    await end()
    assert.deepEqual(seen, [1, 2, 3])
  })

  test(`${name}: what is asked for while a turn ends belongs to the next`, async () => {
    const seen: string[] = []
    turn.beforeSending(() => {
      seen.push('first')
      turn.beforeSending(() => seen.push('second'))
      turn.sending(() => seen.push('sent'))
    })
    await end()
    await end()
    assert.deepEqual(seen, ['first', 'sent', 'second'])
    turn.sending(() => seen.push('sent again'))
    await end()
    assert.deepEqual(seen, ['first', 'sent', 'second', 'sent again'])
  })
}

function turns(): readonly (readonly [string, Turn, () => Promise<void>])[] {
  const manual = new ManualTurn()
  return [
    ['the system’s turn', systemTurn, nextTurn],
    ['a manual turn', manual, () => manual.end()],
  ]
}

async function afterSomeCallbacks(promise: Promise<void>): Promise<void> {
  await promise
  for (let i = 0; i < 5; i += 1) await Promise.resolve()
}
