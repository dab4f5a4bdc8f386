import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Engine, type Job } from './engine.ts'
import { speedOf } from './gpu-speed.ts'

const speed = { slots: 2, prefillMsPerToken: 1, stepMs: 10, stepMsPerCachedToken: 0.01 }

function job(
  [promptTokens, completionTokens]: [number, number],
  said: string[],
  name: string,
): Job {
  return {
    promptTokens,
    completionTokens,
    prefillLeftMs: 0,
    tokensLeft: 0,
    onFirstToken: () => said.push(`${name} first`),
    onDone: () => said.push(`${name} done`),
  }
}

function play(engine: Engine): number {
  let atMs = 0
  while (engine.running > 0 && engine.nextAtMs < Number.POSITIVE_INFINITY) {
    atMs = engine.nextAtMs
    engine.advance(atMs)
  }
  return atMs
}

test('one alone reads its prompt and decodes at its own speed', () => {
  const said: string[] = []
  const engine = new Engine(speed, 10)
  engine.accept(job([100, 11], said, 'a'), 0)
  // 100 ms, then ten steps of 10 ms and 105.5 cached tokens.
  assert.ok(Math.abs(play(engine) - (100 + 10 * (10 + 1.055))) < 1e-6)
  assert.deepEqual(said, ['a first', 'a done'])
})

test('two together are slower each, faster in all; the third waits; a full queue refuses', () => {
  const together = (count: number) => {
    const engine = new Engine(speed, 10)
    for (let i = 0; i < count; i += 1) engine.accept(job([10, 200], [], `${i}`), 0)
    return play(engine)
  }
  const [one, two, three] = [together(1), together(2), together(3)]
  assert.ok(two > one && two < 1.5 * one, `${one} ${two}`)
  assert.ok(three > 1.5 * two, `${three}`)
  const engine = new Engine(speed, 1)
  const taken = [1, 2, 3, 4].map((n) => engine.accept(job([10, 10], [], `${n}`), 0))
  assert.deepEqual(taken, [true, true, true, false])
  assert.deepEqual([engine.running, engine.waiting], [2, 1])
})

test('whoever is dropped leaves its slot to the next; a stalled engine does nothing more', () => {
  const said: string[] = []
  const engine = new Engine(speed, 10)
  const first = job([1_000, 5], said, 'a')
  engine.accept(first, 0)
  engine.accept(job([10, 5], said, 'b'), 0)
  engine.accept(job([10, 5], said, 'c'), 0)
  engine.drop(first, 5)
  play(engine)
  assert.deepEqual(
    said.filter((word) => word.endsWith('done')),
    ['b done', 'c done'],
  )
  engine.accept(job([10, 5], said, 'd'), 2_000)
  engine.stall(2_001)
  assert.equal(engine.nextAtMs, Number.POSITIVE_INFINITY)
})

test('a processor’s memory becomes slots, its arithmetic prefill, its bandwidth steps', () => {
  const card = { name: 'c', memoryGb: 24, bandwidthGbPerSecond: 1_000, teraflops: 80 }
  const { slots, prefillMsPerToken, stepMs } = speedOf(card)
  assert.equal(slots, 12)
  assert.ok(Math.abs(prefillMsPerToken - 0.2) < 0.001)
  assert.ok(Math.abs(stepMs - 12.14) < 0.01)
  assert.equal(speedOf({ ...card, memoryGb: 12 }).slots, 2)
})
