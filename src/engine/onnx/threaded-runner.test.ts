/**
 * A model in a thread of its own gives what it gives here, and this thread goes on meanwhile.
 */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { test } from 'node:test'
import { createOnnxRunner } from './create-runner.ts'
import { generateGreedily, goldenTranscripts, referenceModel } from './reference-model.fixture.ts'

const options = { slots: 2, threads: 1, contextTokensMax: 256 }

test('a thread’s logits are those of a runner in this thread, bit for bit', async (t) => {
  const model = await referenceModel(t)
  const here = await createOnnxRunner(model, { ...options, backend: 'cpu' })
  const there = await createOnnxRunner(model, { ...options, backend: 'cpu', ownThread: true })
  for (const name of ['slots', 'contextTokensMax', 'vocabularySize', 'runtime'] as const) {
    assert.equal(there[name], here[name])
  }
  const [transcript] = await goldenTranscripts()
  assert.ok(transcript !== undefined)
  assert.deepEqual(
    await generateGreedily(there, 1, transcript),
    await generateGreedily(here, 1, transcript),
  )
  const prompt = [5, 6, 7]
  for (const runner of [here, there]) await runner.prefill(0, prompt, 0)
  const position = transcript.prompt_ids.length + transcript.completion_ids.length - 1
  const steps = [
    { slot: 1, tokenId: 9, position },
    { slot: 0, tokenId: 8, position: prompt.length },
  ]
  assert.deepEqual([...(await there.decode(steps))], [...(await here.decode(steps))])
  await here.close()
  await there.close()
})

test('WebAssembly runs in a thread as well', async (t) => {
  const model = await referenceModel(t)
  const runner = await createOnnxRunner(model, { ...options, backend: 'wasm', ownThread: true })
  const [transcript] = await goldenTranscripts()
  assert.ok(transcript !== undefined)
  const steps = await generateGreedily(runner, 0, transcript)
  assert.deepEqual(
    steps.map(({ token }) => token),
    transcript.completion_ids,
  )
  await runner.close()
})

test('the event loop turns while a thread reads a prompt, and not without one', async (t) => {
  const model = await referenceModel(t)
  const prompt = new Array<number>(200).fill(9)
  const turnsWith = async (ownThread: boolean) => {
    const runner = await createOnnxRunner(model, { ...options, backend: 'cpu', ownThread })
    let turns = 0
    let isRead = false
    const reading = runner.prefill(0, prompt, 0).finally(() => {
      isRead = true
    })
    for (; !isRead; turns += 1) await new Promise((resolve) => setImmediate(resolve))
    await reading
    await runner.close()
    return turns
  }
  assert.ok((await turnsWith(false)) < 5)
  assert.ok((await turnsWith(true)) >= 20)
})

test('what goes wrong in the thread is the error that it would be here', async (t) => {
  const model = await referenceModel(t)
  const elsewhere = { ...model, folder: '/nonexistent' }
  const settings = { ...options, backend: 'cpu', ownThread: true } as const
  await assert.rejects(createOnnxRunner(elsewhere, settings), { code: 'engine_unavailable' })
  const runner = await createOnnxRunner(model, settings)
  await assert.rejects(runner.prefill(0, [-1], 0), { code: 'engine_failed', message: /a token id/ })
  assert.ok((await runner.prefill(0, [5], 0)).some((logit) => logit !== 0))
  await runner.close()
  await runner.close()
  await assert.rejects(runner.prefill(0, [5], 0), { code: 'engine_failed', message: /thread/ })
})

test('a process that exits in the midst of a call does so with its own code', async (t) => {
  const model = await referenceModel(t)
  const script = `
    import { createOnnxRunner } from ${JSON.stringify(import.meta.resolve('./create-runner.ts'))}
    const runner = await createOnnxRunner(${JSON.stringify(model)}, {
      backend: 'cpu', slots: 1, threads: 1, ownThread: true,
    })
    void runner.prefill(0, new Array(500).fill(9), 0)
    setTimeout(() => process.exit(3), 10)
  `
  const child = spawn(process.execPath, ['--input-type=module', '--eval', script])
  let errors = ''
  child.stderr.on('data', (chunk) => {
    errors += chunk
  })
  const [code] = await once(child, 'exit')
  assert.equal(errors, '')
  assert.equal(code, 3)
})
