/**
 * `isochrone start` as a newcomer meets it: OpenAI's own client, every error class, explanations,
 * and sudden ends.
 */
import assert from 'node:assert/strict'
import { rmSync } from 'node:fs'
import { after, before, describe, test } from 'node:test'
import OpenAI from 'openai'
import { allGone, runCli, StartedNetwork } from './start.fixture.ts'

const model = 'isochrone-tiny'
const peru = [{ role: 'user', content: 'What is the capital of Peru?' }] as const
/** The reference model's end of a message: forbidden, an answer goes on until its limit. */
const endTokenId = '2'

let started: StartedNetwork
let client: OpenAI

before(async () => {
  started = await StartedNetwork.start(['--nodes', '3'])
  const { apiKey, url } = started.network
  client = new OpenAI({ apiKey, baseURL: `${url}/v1`, maxRetries: 0 })
})

after(async () => {
  await started?.stop()
})

describe('OpenAI’s client', () => {
  test('lists models and retrieves one', async () => {
    const models = await client.models.list()
    assert.ok(models.data.some(({ id }) => id === model))
    assert.equal((await client.models.retrieve(model)).id, model)
  })

  test('chats, and is told the usage and the decision', async () => {
    const { data, response } = await client.chat.completions
      .create({ model, messages: [...peru], temperature: 0 })
      .withResponse()
    assert.match(data.choices[0]?.message.content ?? '', /Lima/)
    assert.equal(data.choices[0]?.finish_reason, 'stop')
    assert.ok((data.usage?.prompt_tokens ?? 0) > 5)
    assert.ok((data.usage?.completion_tokens ?? 0) > 3)
    assert.match(response.headers.get('x-isochrone-decision') ?? '', /^dec_/)
    assert.ok(response.headers.get('x-request-id'))
  })

  test('streams the same text as without streaming, with the usage last', async () => {
    const whole = await client.chat.completions.create({
      model,
      messages: [...peru],
      temperature: 0,
    })
    const stream = await client.chat.completions.create({
      model,
      messages: [...peru],
      temperature: 0,
      stream: true,
      stream_options: { include_usage: true },
    })
    let text = ''
    let role: string | undefined
    let finish: string | null | undefined
    let usage: number | undefined
    for await (const chunk of stream) {
      role ??= chunk.choices[0]?.delta.role
      text += chunk.choices[0]?.delta.content ?? ''
      finish = chunk.choices[0]?.finish_reason ?? finish
      usage = chunk.usage?.completion_tokens ?? usage
    }
    assert.equal(text, whole.choices[0]?.message.content)
    assert.equal(role, 'assistant')
    assert.equal(finish, 'stop')
    assert.equal(usage, whole.usage?.completion_tokens)
  })

  test('stops at a stop string, which is not part of the answer', async () => {
    const { choices } = await client.chat.completions.create({
      model,
      messages: [...peru],
      temperature: 0,
      stop: ['Lima'],
    })
    assert.equal(choices[0]?.finish_reason, 'stop')
    assert.doesNotMatch(choices[0]?.message.content ?? '', /Lima/)
    assert.match(choices[0]?.message.content ?? '', /Peru/)
  })

  test('gets as many tokens as it asked for at most, and several choices', async () => {
    const { choices } = await client.chat.completions.create({
      model,
      messages: [...peru],
      max_tokens: 2,
      n: 2,
    })
    assert.equal(choices.length, 2)
    for (const choice of choices) assert.equal(choice.finish_reason, 'length')
  })

  test('gets the same text for the same seed from different nodes', async () => {
    const { nodes } = started.network
    const answers = new Map<string, string>()
    for (const { id } of nodes) {
      const others = nodes.filter((node) => node.id !== id).map((node) => node.id)
      const { data, response } = await client.chat.completions
        .create({
          ...{ model, messages: [...peru], temperature: 1.5, seed: 7, max_tokens: 40 },
          logit_bias: { [endTokenId]: -100 },
          ...{ isochrone: { exclude: others } },
        })
        .withResponse()
      const decision = await decisionOf(response)
      assert.equal(decision.chosen, id)
      answers.set(id, data.choices[0]?.message.content ?? '')
    }
    assert.equal(answers.size, 3)
    assert.equal(new Set(answers.values()).size, 1, JSON.stringify([...answers]))
    const other = await client.chat.completions.create({
      ...{ model, messages: [...peru], temperature: 1.5, seed: 8, max_tokens: 40 },
      logit_bias: { [endTokenId]: -100 },
    })
    assert.notEqual(other.choices[0]?.message.content, [...answers.values()][0])
  })

  test('gets log-probabilities with their alternatives', async () => {
    const { choices } = await client.chat.completions.create({
      model,
      messages: [...peru],
      temperature: 0,
      logprobs: true,
      top_logprobs: 3,
    })
    const tokens = choices[0]?.logprobs?.content ?? []
    assert.ok(tokens.length > 3)
    for (const token of tokens) {
      assert.ok(token.logprob <= 0)
      assert.equal(token.top_logprobs.length, 3)
      // Greedy: what was taken is the likeliest.
      assert.equal(token.top_logprobs[0]?.token, token.token)
    }
  })

  test('completes plain text', async () => {
    const { choices } = await client.completions.create({
      model,
      prompt: 'The capital of Peru is',
      max_tokens: 4,
      temperature: 0,
    })
    assert.ok((choices[0]?.text ?? '').length > 0)
  })

  test('leaves in mid-stream, and the node’s slot is free again', async () => {
    const stream = await client.chat.completions.create({
      model,
      messages: [...peru],
      stream: true,
      logit_bias: { [endTokenId]: -100 },
    })
    for await (const _ of stream) {
      stream.controller.abort()
    }
    const { choices } = await client.chat.completions.create({ model, messages: [...peru] })
    assert.ok(choices[0]?.message.content)
  })
})

describe('errors in OpenAI’s shape', () => {
  test('401 without a valid key', async () => {
    const stranger = new OpenAI({ apiKey: 'iso_wrong', baseURL: client.baseURL, maxRetries: 0 })
    await assert.rejects(stranger.models.list(), OpenAI.AuthenticationError)
  })

  test('404 for an unknown model, at both places', async () => {
    await assert.rejects(client.models.retrieve('nothing'), OpenAI.NotFoundError)
    const asked = client.chat.completions.create({ model: 'nothing', messages: [...peru] })
    await assert.rejects(asked, OpenAI.NotFoundError)
  })

  test('400 for wrong types, wrong ranges, and a prompt beyond the context', async () => {
    const wrong = [
      { messages: 'hello' },
      { messages: [...peru], temperature: 9 },
      { messages: [...peru], n: 0 },
      { messages: [{ role: 'user', content: 'word '.repeat(2000) }] },
    ]
    for (const body of wrong) {
      const asked = client.post('/chat/completions', { body: { model, ...body } })
      await assert.rejects(asked, OpenAI.BadRequestError, JSON.stringify(body).slice(0, 80))
    }
  })

  test('413 for a body beyond the limit', async () => {
    const content = 'a'.repeat(8 * 1024 * 1024)
    const asked = client.chat.completions.create({ model, messages: [{ role: 'user', content }] })
    await assert.rejects(asked, (error: unknown) => {
      assert.ok(error instanceof OpenAI.APIError, String(error))
      assert.equal(error.status, 413)
      return true
    })
  })

  test('503 when no node qualifies, with a decision that names the gates', async () => {
    const asked = client.chat.completions.create({
      ...{ model, messages: [...peru] },
      ...{ isochrone: { region: 'nowhere' } },
    })
    await assert.rejects(asked, (error: unknown) => {
      assert.ok(error instanceof OpenAI.InternalServerError, String(error))
      assert.equal(error.status, 503)
      assert.equal(error.code, 'no_eligible_node')
      return true
    })
  })
})

describe('the other commands', () => {
  const run = (args: readonly string[], input = '') =>
    runCli([...args, '--data', started.folder], { folder: started.folder, input })

  test('chat answers, and says why', async () => {
    const { code, err, out } = await run(['chat', '--why', 'What is the capital of Peru?'])
    assert.equal(code, 0, err)
    assert.match(out, /Lima/)
    assert.match(err, /dec_[a-z2-7]+/)
  })

  test('chat holds a conversation from a pipe', async () => {
    const input = 'What is the capital of Peru?\nWhat is the capital of Japan?\n'
    const { code, err, out } = await run(['chat'], input)
    assert.equal(code, 0, err)
    assert.match(out, /Lima[\s\S]*Tokyo/)
  })

  test('explain shows the last decision, or one by its id', async () => {
    const asked = await client.chat.completions
      .create({ model, messages: [...peru] })
      .withResponse()
    const id = asked.response.headers.get('x-isochrone-decision') ?? ''
    const text = await run(['explain', id])
    assert.equal(text.code, 0, text.err)
    assert.ok(text.out.includes(id))
    const json = await run(['explain', id, '--json'])
    assert.equal(JSON.parse(json.out).id, id)
    assert.equal((await run(['explain'])).code, 0)
    const unknown = await run(['explain', 'dec_nothing'])
    assert.equal(unknown.code, 1)
    assert.match(unknown.err, /^error: /)
  })

  test('nodes shows every node with its region', async () => {
    const { code, out } = await run(['nodes'])
    assert.equal(code, 0)
    for (const { id, region } of started.network.nodes) {
      const row = out.split('\n').find((line) => line.startsWith(id.slice(0, 8)))
      assert.ok(row?.includes(region), out)
    }
    const json = (await run(['nodes', '--json'])).out
    assert.equal(JSON.parse(json).length, 3)
    assert.match(json, /"round_trip_ms":.*"issued_at_ms":/)
    assert.doesNotMatch(json, /"\w*[A-Z]\w*":/)
  })

  test('keys are made, work at once, and stop working when revoked', async () => {
    const made = JSON.parse((await run(['keys', 'create', '--name', 'test', '--json'])).out)
    const other = new OpenAI({ apiKey: made.key, baseURL: client.baseURL, maxRetries: 0 })
    await other.models.list()
    assert.equal((await run(['keys', 'revoke', made.id])).code, 0)
    await refused(other)
  })

  test('doctor checks and measures this machine', async () => {
    const { code, out } = await run(['doctor', '--json'])
    assert.equal(code, 0, out)
    const { checks, hardware } = JSON.parse(out)
    const find = (name: string) => checks.find((check: { name: string }) => check.name === name)
    const [engine, integers] = ['engine onnx/cpu', 'integer products'].map(find)
    assert.deepEqual([engine?.status, integers?.status], ['ok', 'ok'])
    assert.ok(hardware.memoryBandwidthBytesPerSecond > 0)
    assert.match(find('memory bandwidth')?.finding ?? '', /B\/s$/)
    assert.match(find('models')?.finding ?? '', /isochrone-tiny/)
  })

  test('models lists the reference model of the store', async () => {
    const { out } = await run(['models', 'list', '--json'])
    assert.deepEqual(
      JSON.parse(out).map(({ name }: { name: string }) => name),
      [model],
    )
  })
})

describe('sudden ends', () => {
  test('a second start in the same folder is refused in one line', async () => {
    const { code, err } = await runCli(['start', '--port', '0', '--data', started.folder], {
      folder: started.folder,
    })
    assert.equal(code, 1)
    assert.match(err, /^error: the data folder .* is in use by another process \(process \d+\)/m)
    assert.match(err, /an Isochrone network already runs from it at http:\/\/127\.0\.0\.1:\d+;/)
  })

  test('a node that dies in mid-stream gives an explicit error, and comes back', async () => {
    const node = started.network.nodes.find(({ region }) => region === 'ap-southeast')
    assert.ok(node?.pid != null)
    const stream = await client.chat.completions.create({
      ...{ model, messages: [...peru], stream: true, n: 8, temperature: 1 },
      logit_bias: { [endTokenId]: -100 },
      ...{ isochrone: { region: node.region } },
    })
    const { pid } = node
    const reading = async () => {
      for await (const chunk of stream) {
        if ((chunk.choices[0]?.delta.content ?? '') !== '') process.kill(pid, 'SIGKILL')
      }
    }
    await assert.rejects(reading(), (error: unknown) => {
      assert.ok(error instanceof OpenAI.APIError, String(error))
      assert.equal(error.code, 'stream_interrupted')
      return true
    })
    await started.told(/node-3 ended/)
    await started.told(/node-3 +is back/)
  })

  test('a gateway that dies comes back at the same address, with its nodes', async () => {
    process.kill(started.network.gatewayPid ?? 0, 'SIGKILL')
    await started.told(/gateway +is back/)
    await answersAgain()
  })

  test('Ctrl-C ends every process', async () => {
    const own = await StartedNetwork.start(['--nodes', '1', '--no-wan'])
    const { pids } = own
    assert.equal(pids.length, 3)
    assert.equal(await own.stop(), 0)
    assert.deepEqual(await allGone(pids, 10_000), [])
  })

  test('Ctrl-C to every process, as a terminal sends it: nothing starts again', async () => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      const own = await StartedNetwork.start(['--nodes', '2', '--no-wan'])
      const { pids } = own
      own.signalGroup(signal)
      assert.equal(await own.exitCode(), 0)
      assert.deepEqual(await allGone(pids, 10_000), [])
      assert.doesNotMatch(own.notes.join('\n'), /again|ended \(|error/)
      rmSync(own.folder, { recursive: true, force: true })
    }
  })

  test('kill -9 of the parent leaves no orphan', async () => {
    const own = await StartedNetwork.start(['--nodes', '2', '--no-wan'])
    const { pids } = own
    assert.equal(pids.length, 4)
    own.signal('SIGKILL')
    await own.exitCode()
    assert.deepEqual(await allGone(pids, 15_000), [])
    rmSync(own.folder, { recursive: true, force: true })
  })
})

async function decisionOf(response: Response): Promise<{ readonly chosen: string }> {
  const id = response.headers.get('x-isochrone-decision') ?? ''
  const { apiKey, url } = started.network
  const answer = await fetch(`${url}/v1/decisions/${id}`, {
    headers: { authorization: `Bearer ${apiKey}` },
  })
  return (await answer.json()) as { readonly chosen: string }
}

/** A running gateway refuses a revoked key within a second; asks until it did. */
async function refused(other: OpenAI): Promise<void> {
  const until = performance.now() + 10_000
  for (;;) {
    const answer = await other.models.list().catch((error: unknown) => error)
    if (answer instanceof OpenAI.AuthenticationError) return
    assert.ok(performance.now() < until, `the key should be refused: ${answer}`)
  }
}

/** Nodes return with back-off; asks until one answers. */
async function answersAgain(): Promise<void> {
  const until = performance.now() + 30_000
  for (;;) {
    try {
      const { choices } = await client.chat.completions.create({ model, messages: [...peru] })
      assert.match(choices[0]?.message.content ?? '', /./)
      return
    } catch (error) {
      assert.ok(error instanceof OpenAI.APIError, String(error))
      assert.ok(performance.now() < until, error.message)
    }
  }
}
