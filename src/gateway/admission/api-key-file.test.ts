import assert from 'node:assert/strict'
import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { ManualClock, secureRandom, silentLog } from '../../base/index.ts'
import { hasCode } from '../../protocol/index.ts'
import { ApiKeyFile } from './api-key-file.ts'
import { createJoinTokens, hashSecret } from './secrets.ts'

function folder(context: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'api-keys-'))
  context.after(() => rmSync(path, { recursive: true, force: true }))
  return path
}

test('a created key is found, only its hash is kept, and the file is its owner’s', (t) => {
  const path = join(folder(t), 'deep', 'keys.json')
  const modules = { clock: new ManualClock(), random: secureRandom }
  const file = new ApiKeyFile(path, modules)
  const { key, info } = file.create({ name: 'laptop', limits: { requestsPerMinute: 5 } })
  assert.match(key, /^iso_[A-Za-z0-9_-]{27}$/)
  assert.equal(file.find(key)?.keyId, info.id)
  assert.equal(file.find(key)?.limits.requestsPerMinute, 5)
  assert.equal(file.find(`${key}x`), undefined)
  assert.equal(statSync(path).mode & 0o777, 0o600)
  assert.ok(!readFileSync(path, 'utf8').includes(key.slice(4)))
  assert.deepEqual(readdirSync(join(path, '..')), ['keys.json'])
  assert.equal(new ApiKeyFile(path, modules).find(key)?.name, 'laptop')
})

test('a key is a client’s until it is made an operator’s, also in a file without roles', (t) => {
  const path = join(folder(t), 'keys.json')
  const modules = { clock: new ManualClock(), random: secureRandom }
  const file = new ApiKeyFile(path, modules)
  const client = file.create({ name: 'app' })
  const operator = file.create({ name: 'admin', role: 'operator' })
  assert.equal(file.find(client.key)?.role, 'client')
  assert.equal(file.find(operator.key)?.role, 'operator')
  const content = JSON.parse(readFileSync(path, 'utf8'))
  for (const entry of content.keys) delete entry.role
  writeFileSync(path, JSON.stringify(content))
  const before = new ApiKeyFile(path, modules)
  assert.equal(before.find(operator.key)?.role, 'client')
  before.makeOperator(operator.info.id)
  const after = new ApiKeyFile(path, modules)
  assert.deepEqual(
    [after.find(operator.key)?.role, after.find(client.key)?.role],
    ['operator', 'client'],
  )
})

test('a key made by another process works at once, a revoked one for a second at most', (t) => {
  const path = join(folder(t), 'keys.json')
  const clock = new ManualClock()
  const running = new ApiKeyFile(path, { clock, random: secureRandom })
  const other = new ApiKeyFile(path, { clock, random: secureRandom })
  assert.equal(running.find('iso_none'), undefined)
  const { key, info } = other.create({ name: 'new' })
  clock.advance(50)
  assert.equal(running.find(key)?.keyId, info.id)
  assert.equal(other.revoke(info.id), true)
  assert.equal(other.revoke(info.id), false)
  clock.advance(1000)
  assert.equal(running.find(key), undefined)
})

test('of a flood of unknown keys, few look at the file', (t) => {
  const path = join(folder(t), 'keys.json')
  const clock = new ManualClock()
  const running = new ApiKeyFile(path, { clock, random: secureRandom })
  assert.equal(running.find('iso_none'), undefined)
  const { key } = new ApiKeyFile(path, { clock, random: secureRandom }).create({ name: 'new' })
  clock.advance(49)
  assert.equal(running.find(key), undefined)
  clock.advance(1)
  assert.equal(running.find('iso_none'), undefined)
  assert.equal(running.find(key)?.name, 'new')
})

test('a damaged file is an error at the start, and no loss of keys while running', (t) => {
  const path = join(folder(t), 'keys.json')
  const modules = { clock: new ManualClock(), random: secureRandom }
  const running = new ApiKeyFile(path, modules)
  const { key } = running.create({ name: 'kept' })
  for (const content of [
    '',
    '{',
    '[]',
    '{"format":1,"keys":[{"id":"x"}]}',
    '{"format":2,"keys":[]}',
  ]) {
    writeFileSync(path, content)
    assert.throws(
      () => new ApiKeyFile(path, modules),
      (error) => hasCode(error, 'storage_failed'),
    )
    modules.clock.advance(1000)
    assert.equal(running.find(key)?.name, 'kept')
  }
})

test('a damaged file is read once, and again when it changed', (t) => {
  const path = join(folder(t), 'keys.json')
  const clock = new ManualClock()
  const { key } = new ApiKeyFile(path, { clock, random: secureRandom }).create({ name: 'mended' })
  const sound = readFileSync(path, 'utf8')
  // In place, of one size, and at a time that is told: only the content tells two apart.
  const write = (content: string, seconds: number) => {
    writeFileSync(path, content)
    utimesSync(path, seconds, seconds)
  }
  for (const damaged of ['x'.repeat(sound.length), `[${' '.repeat(sound.length - 2)}]`]) {
    rmSync(path)
    const running = new ApiKeyFile(path, { clock, random: secureRandom })
    const found = () => {
      clock.advance(1000)
      return running.find(key)?.name
    }
    write(damaged, 1)
    assert.equal(found(), undefined)
    assert.throws(
      () => running.list(),
      (error) => hasCode(error, 'storage_failed'),
    )
    write(sound, 1)
    assert.equal(found(), undefined)
    write(sound, 2)
    assert.equal(found(), 'mended')
  }
})

test('a join token is accepted by its hash alone', () => {
  const tokens = createJoinTokens([hashSecret('join_a'), hashSecret('join_b')])
  assert.ok(tokens.accepts('join_a'))
  assert.ok(tokens.accepts('join_b'))
  for (const token of ['', 'join_', hashSecret('join_a'), 'x'.repeat(1e6)]) {
    assert.ok(!tokens.accepts(token))
  }
})

test('processes that create keys at the same time all keep theirs', (t) => {
  const path = join(folder(t), 'keys.json')
  const modules = { clock: new ManualClock(), random: secureRandom }
  const [one, other] = [new ApiKeyFile(path, modules), new ApiKeyFile(path, modules)]
  // The other one creates its key after this one began and before it holds its turn.
  let created = ''
  const random = {
    ...secureRandom,
    bytes: (count: number) => {
      if (created === '') created = other.create({ name: 'other' }).key
      return secureRandom.bytes(count)
    },
  }
  const { key } = new ApiKeyFile(path, { ...modules, random }).create({ name: 'mine' })
  assert.deepEqual(
    one.list().map(({ name }) => name),
    ['other', 'mine'],
  )
  assert.ok(one.find(key) && one.find(created))
})

test('the turn of a process that died is taken over', (t) => {
  const path = join(folder(t), 'keys.json')
  writeFileSync(`${path}.new`, 'half')
  utimesSync(`${path}.new`, 0, 0)
  const file = new ApiKeyFile(path, { clock: new ManualClock(), random: secureRandom })
  assert.ok(file.find(file.create({ name: 'after' }).key))
  assert.deepEqual(readdirSync(join(path, '..')), ['keys.json'])
})

test('a file that cannot be reached while running is told once, and keys stay valid', (t) => {
  const path = join(folder(t), 'deep', 'keys.json')
  const clock = new ManualClock()
  const told: string[] = []
  const log = { ...silentLog, error: (message: string) => told.push(message) }
  const file = new ApiKeyFile(path, { clock, random: secureRandom, log })
  const { key } = file.create({ name: 'kept' })
  rmSync(join(path, '..'), { recursive: true })
  symlinkSync(join(path, '..'), join(path, '..'))
  for (let i = 0; i < 3; i += 1) {
    clock.advance(1000)
    assert.equal(file.find(key)?.name, 'kept')
  }
  assert.deepEqual(told, ['API keys not read again'])
})
