/**
 * Decisions of a real network: signed, made again, previewed; and what somebody changed in the file
 * is found.
 */
import assert from 'node:assert/strict'
import { DatabaseSync } from 'node:sqlite'
import { after, before, describe, test } from 'node:test'
import OpenAI from 'openai'
import { dataFolder } from './files/data-folder.ts'
import { runCli, StartedNetwork } from './start.fixture.ts'

const model = 'isochrone-tiny'
const messages = [{ role: 'user', content: 'my secret question' }] as const
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

async function ask(more: object = {}): Promise<string> {
  const body = { model, messages: [...messages], max_tokens: 4, ...more }
  const { response } = await client.chat.completions.create(body).withResponse()
  return idOf(response)
}

function idOf(response: Response): string {
  const id = response.headers.get('x-isochrone-decision')
  assert.ok(id)
  return id
}

const explain = (...args: readonly string[]) => {
  const { folder } = started
  return runCli(['explain', '--data', folder, ...args], { folder })
}

async function replayOf(id: string) {
  const { code, out } = await explain(id, '--replay', '--json')
  return { code, ...(JSON.parse(out) as { signature: string; replay: ReplaySaid | null }) }
}

interface ReplaySaid {
  readonly agrees: boolean
  readonly candidates: number
  readonly rounds: number
  readonly differences: readonly object[]
}

/** The file as a person with a database tool has it. */
function change(sql: string, ...values: readonly string[]): void {
  const database = new DatabaseSync(dataFolder(started.folder, started.folder).records)
  database.exec('PRAGMA busy_timeout = 5000')
  const { changes } = database.prepare(sql).run(...values)
  database.close()
  assert.equal(changes, 1)
}

describe('a decision', () => {
  test('is what its gateway signed, and is made again as it was', async () => {
    const slo = { ttft_ms: 60_000, tpot_ms: 10_000 }
    for (const id of [await ask(), await ask({ isochrone: { slo } })]) {
      const { code, out } = await explain(id, '--replay')
      assert.equal(code, 0, out)
      const words = out.replaceAll(/\s+/g, ' ')
      const { gatewayId } = started.network
      assert.ok(words.includes(`Checked: this is what the gateway ${gatewayId} signed`), words)
      assert.match(words, /Made again, with the 3 nodes as they were then, .*: the same decision\./)
      assert.doesNotMatch(out, /secret/)
      const { replay } = await replayOf(id)
      assert.deepEqual(replay?.differences, [])
      assert.equal(replay.candidates, 3)
    }
  })

  test('of an answer that another node finished is made again, each time', async () => {
    const { data: stream, response } = await client.chat.completions
      .create({
        ...{ model, messages: [...messages], temperature: 0, max_tokens: 400, stream: true },
        logit_bias: { [endTokenId]: -100 },
      })
      .withResponse()
    const worker = response.headers.get('x-isochrone-worker')
    const pid = started.network.nodes.find(({ id }) => id === worker)?.pid
    assert.ok(pid)
    let isKilled = false
    for await (const chunk of stream) {
      if (isKilled || (chunk.choices[0]?.delta.content ?? '') === '') continue
      process.kill(pid, 'SIGKILL')
      isKilled = true
    }
    const id = idOf(response)
    const { code, out } = await explain(id)
    assert.equal(code, 0)
    assert.match(out, /going on behind the \d+ tokens that were there/)
    const { replay, signature } = await replayOf(id)
    assert.deepEqual(replay?.differences, [])
    assert.equal(replay.rounds, 2)
    assert.equal(signature, 'good')
  })

  test('whose record or view was changed in the file is told', async () => {
    const [record, view] = [await ask(), await ask()]
    // Until both are in the file: what waits for it is read from memory.
    for (const id of [record, view]) await inFile(id)
    const changed = 'UPDATE decisions SET json = replace(json, ?, ?) WHERE id = ?'
    change(changed, '"promptTokens":', '"promptTokens":1', record)
    const told = await explain(record)
    assert.equal(told.code, 1)
    assert.match(told.out, /NOT AS IT WAS SIGNED/)
    const frame = "(SELECT json ->> '$.rounds[0].view.frame' FROM decisions WHERE id = ?)"
    const blank = 'UPDATE views SET bytes = zeroblob(length(bytes)) WHERE at = 0 AND frame ='
    change(`${blank} ${frame}`, view)
    const again = await explain(view, '--replay')
    assert.equal(again.code, 1)
    assert.match(again.err, /What was kept of the nodes at the time of this decision is damaged/)
  })
})

async function inFile(id: string): Promise<void> {
  const database = new DatabaseSync(dataFolder(started.folder, started.folder).records)
  const find = database.prepare('SELECT 1 FROM decisions WHERE id = ?')
  while (find.get(id) === undefined) await ask()
  database.close()
}

test('a preview says where a question would go, and leaves nothing behind', async () => {
  const list = async () => (await decisionsKept()).length
  const before = await list()
  const { code, out } = await explain('--preview', 'my secret question')
  assert.equal(code, 0)
  assert.match(out, /^A preview: nothing was sent/)
  assert.match(out, /Why \w{8}\?/)
  assert.doesNotMatch(out, /secret/)
  assert.equal(await list(), before)
})

async function decisionsKept(): Promise<readonly unknown[]> {
  const { apiKey, url } = started.network
  const headers = { authorization: `Bearer ${apiKey}` }
  const page = await fetch(`${url}/v1/decisions?limit=200`, { headers })
  return ((await page.json()) as { data: unknown[] }).data
}
