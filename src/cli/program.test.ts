/** The program around the commands: exit codes, help, configuration, and what goes where. */
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, type TestContext, test } from 'node:test'
import { commands } from './commands/all.ts'
import { commandLine } from './options/command-line.ts'
import { runProgram } from './program.ts'
import { formatBytes, formatDuration, renderProgress } from './terminal/progress.ts'
import { renderTable } from './terminal/table.ts'
import { plainStyle, styleFor } from './terminal/terminal.ts'

/** How the tests run decides how a hint is typed. */
const inClone = commandLine('').startsWith('npm') ? ' --' : ''

let folder: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'isochrone-program-'))
})

afterEach(() => rmSync(folder, { recursive: true, force: true }))

interface Ran {
  readonly code: number
  readonly out: string
  readonly notes: string
}

async function run(args: readonly string[], env: Record<string, string> = {}): Promise<Ran> {
  let out = ''
  let notes = ''
  const terminal = {
    out(text: string) {
      out += text
    },
    note(text: string) {
      notes += text
    },
    interactive: false,
    redraws: false,
    columns: 80,
    width: Number.POSITIVE_INFINITY,
    style: plainStyle,
    noteStyle: plainStyle,
  }
  const code = await runProgram(args, { terminal, env, folder })
  return { code, out, notes }
}

/** The address of a gateway that lets nobody in, and notes the keys. */
async function refusing(t: TestContext, keys: unknown[] = []): Promise<string> {
  const server = createServer(({ headers }, response) => {
    keys.push(headers.authorization)
    response.writeHead(401, { 'content-type': 'application/json' })
    response.end(JSON.stringify({ error: { message: 'Not that one.', code: 'invalid_api_key' } }))
  })
  t.after(() => server.close())
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

test('an empty store is told with the place where models have to go', async () => {
  const args = ['node', '--join', '127.0.0.1:9', '--token', 'x', '--store', 'my store']
  const { code, notes } = await run(args)
  assert.equal(code, 1)
  assert.match(notes, /holds no model; import a folder with one, or pull one\. The command is: /)
  assert.ok(notes.endsWith(`isochrone${inClone} models import DIR --store 'my store'\n`), notes)
})

test('a failure that a command mends names it as it is typed here', async () => {
  const { code, notes } = await run(['models', 'remove', 'nonesuch', '--data', 'my data'])
  assert.equal(code, 1)
  assert.match(notes, /The store is empty; import one\. The command is: /)
  assert.ok(notes.endsWith(`isochrone${inClone} models import DIR --data 'my data'\n`), notes)
})

test('a command with a usual thing to do does it where nothing is said', async () => {
  for (const args of [['incidents'], ['incidents', 'list']]) {
    const { code, notes } = await run([...args, '--data', 'nowhere'])
    assert.equal(code, 1)
    assert.match(notes, /no network runs from/)
  }
  assert.equal((await run(['keys'])).code, 2)
})

describe('exit codes', () => {
  test('0 for help and version, on standard output', async () => {
    for (const args of [['--help'], ['help'], ['help', 'node'], ['--version']]) {
      const { code, notes, out } = await run(args)
      assert.equal(code, 0)
      assert.notEqual(out, '')
      assert.equal(notes, '')
    }
    for (const { name } of commands) {
      const { code, out } = await run([name, '--help'])
      assert.equal(code, 0)
      assert.match(out, new RegExp(`isochrone ${name}`))
    }
  })

  test('1 when a command fails, 2 when it was called wrongly, each with one line', async () => {
    const failed = await run(['keys', 'revoke', 'key_000000000000'])
    assert.equal(failed.code, 1)
    assert.match(failed.notes, /^error: there is no key .*\n$/)
    for (const args of [
      ['chta'],
      ['keys'],
      ['keys', 'crate'],
      ['node', '--nope'],
      ['models', 'import'],
    ]) {
      const { code, notes, out } = await run(args)
      assert.equal(code, 2, args.join(' '))
      assert.match(notes, /^error: [^\n]+\n$/)
      assert.equal(out, '')
    }
    assert.equal((await run([])).code, 2)
  })
})

describe('configuration', () => {
  test('flags win over variables over the file', async () => {
    const names = async (args: readonly string[], env: Record<string, string> = {}) => {
      const { code, notes, out } = await run(['keys', 'create', '--json', ...args], env)
      assert.equal(code, 0, notes)
      return (JSON.parse(out) as { readonly name: string }).name
    }
    assert.equal(await names([]), '')
    writeFileSync(join(folder, 'isochrone.yaml'), 'keys:\n  name: from the file\n')
    assert.equal(await names([]), 'from the file')
    const env = { ISOCHRONE_NAME: 'from a variable' }
    assert.equal(await names([], env), 'from a variable')
    assert.equal(await names(['--name', 'from a flag'], env), 'from a flag')
    assert.equal(await names(['--config', 'none']), '')
    assert.equal((await run(['keys', 'list'])).out.split('\n').length, 7)
  })

  test('a wrong file is told by line and column; one that is named must be there', async () => {
    writeFileSync(join(folder, 'isochrone.yaml'), 'gateway:\n  port: 8080\n  prot: 1\n')
    const wrong = await run(['keys', 'list'])
    assert.equal(wrong.code, 2)
    assert.match(wrong.notes, /^error: isochrone\.yaml:3:3: unknown key "prot".*"port"/)
    const absent = await run(['keys', 'list', '--config', 'other.yaml'])
    assert.equal(absent.code, 2)
    assert.match(absent.notes, /other\.yaml: there is no such file/)
  })

  test('an option outside a section is told with an example of where it belongs', async () => {
    for (const wrong of ['nodes: 3', 'port: 3']) {
      writeFileSync(join(folder, 'isochrone.yaml'), `${wrong}\n`)
      const { code, notes } = await run(['keys', 'list'])
      assert.equal(code, 2)
      assert.ok(notes.endsWith(`for example\nstart:\n  ${wrong}\n`), notes)
    }
  })

  test('a misspelt variable is told, and does not stop the command', async () => {
    const { code, notes } = await run(['keys', 'list', '--json'], { ISOCHRONE_DTAA: 'x' })
    assert.equal(code, 0)
    assert.match(notes, /^warning: .*ISOCHRONE_DTAA .*did you mean ISOCHRONE_DATA\?\)\n$/)
    assert.equal((await run(['keys', 'list', '--json'], { ISOCHRONE_DATA: 'x' })).notes, '')
  })

  test('a client command says so where no network runs, and what is no decision id', async () => {
    const none = await run(['nodes'])
    assert.equal(none.code, 1)
    assert.match(
      none.notes,
      /^error: no network runs from .*, and no API key is known for .*-key\n$/,
    )
    // What is named is asked, with a key as well, and not whoever listens at the default port.
    for (const key of [{}, { ISOCHRONE_API_KEY: 'iso_x' }]) {
      const flagged = await run(['nodes', '--data', 'none'], key)
      assert.match(flagged.notes, /^error: no network runs from .*none; .* --url and --api-key\n$/)
      const variable = await run(['nodes'], { ...key, ISOCHRONE_DATA: 'none' })
      assert.deepEqual([variable.code, variable.notes], [1, flagged.notes])
    }
    const nonsense = await run(['explain', 'nonsense'])
    assert.equal(nonsense.code, 2)
    assert.equal(nonsense.notes, 'error: nonsense is not a decision id; they begin with dec_.\n')
  })

  test('a word for help or the version that is mistyped is taken for what it is near', async () => {
    for (const [given, meant] of [
      ['--verison', '--version'],
      ['--hlep', '--help'],
      ['helpp', 'help'],
      ['versoin', 'version'],
    ] as const) {
      const { code, notes } = await run([given])
      assert.equal(code, 2)
      assert.match(notes, new RegExp(`"${given}" \\(did you mean "${meant}"\\?\\)`))
    }
  })

  test('who asks for a model that nobody offers is told which there are', async (t) => {
    const models = [{ id: 'one' }, { id: 'two' }]
    const error = { message: 'GET /v1/models lists what is offered.', code: 'model_not_found' }
    const server = createServer(({ method }, response) => {
      response.writeHead(method === 'GET' ? 200 : 404, { 'content-type': 'application/json' })
      response.end(JSON.stringify(method === 'GET' ? { data: models.splice(0) } : { error }))
    })
    t.after(() => server.close())
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    const chat = ['chat', '--url', url, '--api-key', 'iso_x']
    const asked = await run([...chat, '--model', 'other', 'Hello?'])
    assert.equal(asked.code, 1)
    assert.equal(asked.notes, 'error: no node offers the model other; there is: one, two\n')
    const none = await run([...chat, 'Hello?'])
    assert.ok(none.notes.endsWith(` nodes --url ${url}\n`), none.notes)
    mkdirSync(join(folder, 'd'))
    writeFileSync(join(folder, 'd', 'address'), url)
    const here = await run(['chat', '--data', 'd', 'Hello?'])
    assert.match(here.notes, /are nodes joined\? See: .* nodes --data d\n$/)
  })

  test('who has no key for a gateway that wants one is told how to give it', async (t) => {
    const url = await refusing(t)
    const elsewhere = await run(['nodes', '--url', url])
    assert.equal(elsewhere.code, 1)
    assert.match(elsewhere.notes, /wants an API key; give it as .*API_KEY.*\(whoever runs it/)
    mkdirSync(join(folder, 'd'))
    writeFileSync(join(folder, 'd', 'address'), url)
    const here = await run(['nodes', '--data', 'd'])
    assert.match(here.notes, /\(made by .*isochrone.* keys create --data d\)\n$/)
  })

  test('whose key is refused is told which one it was, and of the local one', async (t) => {
    const url = await refusing(t)
    mkdirSync(join(folder, 'd'))
    writeFileSync(join(folder, 'd', 'address'), url)
    const told = async (args: readonly string[], env: Record<string, string> = {}) => {
      const { code, notes } = await run(['nodes', '--data', 'd', ...args], env)
      assert.equal(code, 1)
      const pattern = /^error: the gateway at \S+ refuses (.*): Not that one\.\n$/
      const [, key = ''] = pattern.exec(notes) ?? []
      return key.replaceAll(join(folder, 'd'), 'DIR')
    }
    const variable = { ISOCHRONE_API_KEY: 'iso_old' }
    assert.equal(await told([], variable), 'the key of the variable ISOCHRONE_API_KEY')
    writeFileSync(join(folder, 'd', 'local-key'), 'iso_local\n', { mode: 0o600 })
    const local = 'to use the local key of DIR)'
    assert.equal(
      await told([], variable),
      `the key of the variable ISOCHRONE_API_KEY (unset it ${local}`,
    )
    assert.equal(
      await told(['--api-key', 'iso_x'], variable),
      `the key given with --api-key (leave that out ${local}`,
    )
    assert.equal(await told([]), 'the local key of DIR')
    writeFileSync(join(folder, 'isochrone.yaml'), 'nodes:\n  api-key: iso_y\n')
    assert.equal(await told([]), `the key in isochrone.yaml (take it out ${local}`)
  })

  test('the local key goes to the gateway of its folder, and to no other', async (t) => {
    const keys: unknown[] = []
    const url = await refusing(t, keys)
    mkdirSync(join(folder, 'd'))
    writeFileSync(join(folder, 'd', 'local-key'), 'iso_local\n', { mode: 0o600 })
    const ask = async (given: string, env: Record<string, string> = {}) =>
      (await run(['nodes', '--data', 'd', '--url', given], env)).notes
    const variable = { ISOCHRONE_API_KEY: 'iso_old' }
    for (const address of [undefined, 'http://127.0.0.1:1']) {
      if (address !== undefined) writeFileSync(join(folder, 'd', 'address'), address)
      assert.match(await ask(url), /wants an API key; .*\(whoever runs it makes one\)\n$/)
      assert.match(await ask(url, variable), /the variable ISOCHRONE_API_KEY: Not that one\.\n$/)
      assert.deepEqual(keys.splice(0), [undefined, 'Bearer iso_old'])
    }
    writeFileSync(join(folder, 'd', 'address'), `${url}\n`)
    for (const given of [url, `${url}/v1/`, url.replace('127.0.0.1', 'LocalHost')]) {
      assert.match(await ask(given), /refuses the local key of /)
      assert.match(await ask(given, variable), /\(unset it to use the local key of .*\)/)
      assert.deepEqual(keys.splice(0), ['Bearer iso_local', 'Bearer iso_old'])
    }
  })

  test('a key is shown when made and never again', async () => {
    const made = await run(['keys', 'create', '--name', 'laptop'])
    assert.match(made.out, /^iso_[\w-]{27}\n$/)
    const listed = await run(['keys', 'list'])
    assert.match(listed.out, /key_[0-9a-f]{12} +laptop/)
    assert.ok(!listed.out.includes(made.out.trim()))
  })
})

describe('what people see', () => {
  test('columns are aligned, colours take no width, numbers stand right', () => {
    const red = `\u001b[31mred\u001b[39m`
    const columns = [{ title: 'A' }, { title: 'N', align: 'right' }, { title: 'Z' }] as const
    const rows = [
      [red, '1', 'x'],
      ['longer', '100', 'y'],
    ]
    assert.equal(
      renderTable(columns, rows),
      ['A         N  Z', `${red}       1  x`, 'longer  100  y', ''].join('\n'),
    )
  })

  test('on a narrow screen the last column is wrapped, or rows are lines of their own', () => {
    const columns = [{ title: 'NODE' }, { title: 'SEEN', align: 'right' }, { title: 'M' }] as const
    const rows = [['abc', '1', 'one two three four five six seven']]
    const paintTitle = (text: string) => text.replaceAll('abc', 'ABC')
    assert.equal(
      renderTable(columns, rows, { paintTitle, width: 33 }),
      ['NODE  SEEN  M', 'abc      1  one two three four', '            five six seven', ''].join(
        '\n',
      ),
    )
    assert.equal(
      renderTable(columns, rows, { paintTitle, width: 25 }),
      ['ABC', '  seen 1, m one two three', '  four five six seven', ''].join('\n'),
    )
    const whole = renderTable(columns, [['abc', '1 of 8', 'two']], { paintTitle, width: 15 })
    assert.equal(whole, ['ABC', '  seen 1 of 8,', '  m two', ''].join('\n'))
    const short = renderTable(columns, [['abc', '1', 'x']], { paintTitle, width: 13 })
    assert.equal(short, 'NODE  SEEN  M\nabc      1  x\n')
  })

  test('progress shows share, rate and the time that is left', () => {
    const line = renderProgress('model', { done: 25e6, total: 100e6, elapsedMs: 5_000 })
    assert.match(
      line,
      /^model {2}█{6}░{18} {2}25 % {2}25\.0 MB of 100 MB {2}5\.0 MB\/s {2}15 s left$/,
    )
    const state = { done: 25e6, total: 100e6, elapsedMs: 5_000, doneBefore: 20e6 }
    assert.match(renderProgress('model', state), /1\.0 MB\/s\s+1 min 15 s left/)
    assert.match(renderProgress('model', { ...state, elapsedMs: 1 }), /– B\/s\s+– left/)
    const unknown = renderProgress('model', { done: 25e6, total: 0, elapsedMs: 5_000 })
    assert.equal(unknown, 'model  25.0 MB  5.0 MB/s')
  })

  test('sizes and durations are round', () => {
    assert.deepEqual([0, 999, 1_000, 15_240_000].map(formatBytes), [
      '0 B',
      '999 B',
      '1.0 kB',
      '15.2 MB',
    ])
    const shown = [0.4, 999, 1_500, 59_000, 61_000, 3_660_000].map(formatDuration)
    assert.deepEqual(shown, ['0 ms', '999 ms', '1.5 s', '59 s', '1 min 1 s', '1 h 1 min'])
  })

  test('colour is for a screen, unless refused', () => {
    const screen = { isTTY: true }
    assert.notEqual(styleFor(screen, {}).red('x'), 'x')
    assert.equal(styleFor({}, {}).red('x'), 'x')
    assert.equal(styleFor(screen, { NO_COLOR: '1' }).red('x'), 'x')
    assert.equal(styleFor(screen, { TERM: 'dumb' }).red('x'), 'x')
  })
})
