/** A gateway as a process follows a policy file, and what becomes of the file. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { runCli, StartedNetwork } from './start.fixture.ts'

/** Many times what it takes. */
const followedMs = 10_000
const folder = mkdtempSync(join(tmpdir(), 'isochrone-policy-'))
const file = join(folder, 'policy.yaml')
const tierOf = (more: string) => `tiers:\n  tiny:\n    models: [isochrone-tiny]\n    ${more}\n`

let started: StartedNetwork

before(async () => {
  writeFileSync(file, `name: first\n${tierOf('memory-gib: 0.1')}`)
  started = await StartedNetwork.start(['--nodes', '1', '--no-wan', '--policy', file])
})

after(async () => {
  await started?.stop()
  rmSync(folder, { recursive: true, force: true })
})

interface Asked {
  readonly status: number
  readonly decision: string
  readonly message: string
}

async function ask(): Promise<Asked> {
  const { url, apiKey, model } = started.network
  const messages = [{ role: 'user', content: 'What is the capital of Peru?' }]
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${apiKey}`, 'content-type': 'application/json' },
    body: JSON.stringify({ model, messages, max_tokens: 4 }),
  })
  const body = (await response.json()) as { error?: { message: string } }
  const decision = response.headers.get('x-isochrone-decision') ?? ''
  return { status: response.status, decision, message: body.error?.message ?? '' }
}

async function decisionOf(id: string, format: 'json' | 'text'): Promise<string> {
  const { url, apiKey } = started.network
  const headers = { authorization: `Bearer ${apiKey}` }
  const response = await fetch(`${url}/v1/decisions/${id}?format=${format}`, { headers })
  return await response.text()
}

async function versionNow(): Promise<string> {
  const { decision } = await ask()
  return JSON.parse(await decisionOf(decision, 'json')).policy_version
}

async function untilFollowed(name: string): Promise<string> {
  const until = performance.now() + followedMs
  for (;;) {
    const version = await versionNow()
    if (version.startsWith(`${name}-`)) return version
    assert.ok(performance.now() < until, `still ${version} after ${followedMs} ms`)
    // The file is looked at from time to time; nothing tells when.
    await delay(100)
  }
}

describe('a gateway with a policy', { concurrency: false }, () => {
  test('names its version and the tier in each decision', async () => {
    const checked = await runCli(['policy', 'check', file, '--json'], { folder })
    assert.equal(checked.code, 0)
    const { version } = JSON.parse(checked.out)
    assert.match(version, /^first-[0-9a-f]{16}$/)
    const { decision, status } = await ask()
    assert.equal(status, 200)
    const { policy_version, tier, gate_counts } = JSON.parse(await decisionOf(decision, 'json'))
    assert.equal(policy_version, version)
    assert.equal(tier, 'tiny')
    assert.equal(gate_counts.memory, 0)
    const text = (await decisionOf(decision, 'text')).replaceAll(/\s+/g, ' ')
    assert.ok(text.includes(`under policy ${version}`), text)
    assert.ok(text.includes('isochrone-tiny (tier tiny)'), text)
  })

  test('follows the file when it changes, without a restart', async () => {
    const { gatewayPid } = started.network
    writeFileSync(file, `name: second\n${tierOf('memory-gib: 1000000')}`)
    await untilFollowed('second')
    const refused = await ask()
    assert.equal(refused.status, 503)
    assert.match(refused.message, /No node that offers isochrone-tiny has 1000000 GiB of memory/)
    writeFileSync(file, `name: third\n${tierOf('runtimes: [onnx/cpu]')}`)
    await untilFollowed('third')
    assert.equal((await ask()).status, 200)
    process.kill(gatewayPid ?? 0, 0)
  })

  test('refuses a faulty file aloud, and stays with the policy before', async () => {
    const before = await versionNow()
    writeFileSync(file, `name: fourth\n${tierOf('memory-gip: 1')}`)
    await started.told(/gateway: .*policy\.yaml:5:5: unknown key "memory-gip".*stays in force/)
    assert.equal(await versionNow(), before)
    writeFileSync(file, `name: fifth\n${tierOf('memory-gib: 0')}`)
    await untilFollowed('fifth')
  })

  test('does not start with a faulty file, and says where the fault is', async () => {
    const faulty = join(folder, 'faulty.yaml')
    writeFileSync(faulty, 'tiers: {}\nrooting: {}\n')
    for (const command of [['gateway', '--port', '0', '--mesh-port', '0'], ['start']]) {
      const args = [...command, '--policy', 'faulty.yaml', '--data', join(folder, 'data')]
      const { code, err } = await runCli(args, { folder })
      assert.equal(code, 2, err)
      assert.match(err, /^error: faulty\.yaml:2:1: unknown key "rooting".*"routing"/m)
    }
  })
})
