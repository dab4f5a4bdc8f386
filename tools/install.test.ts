import assert from 'node:assert/strict'
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'

const posix = { skip: process.platform === 'win32' && 'signals and shells are those of POSIX' }
/** Notes that it runs, and ends when the test lets it. */
const npmText = `
import { appendFileSync, existsSync, mkdirSync } from 'node:fs'
appendFileSync('runs', \`\${process.pid}\\n\`)
console.log('npm runs')
const timer = setInterval(() => {
  if (!existsSync('may-end')) return
  clearInterval(timer)
  mkdirSync('node_modules', { recursive: true })
}, 20)
`

/** A project whose npm is the one above, and whose program cannot start. */
function project(t: TestContext) {
  const root = mkdtempSync(join(tmpdir(), 'isochrone-install-'))
  for (const folder of ['bin', 'src', 'tools']) mkdirSync(join(root, folder))
  for (const name of ['install.js', 'install-turn.js', 'keep-compiled.js']) {
    cpSync(join(import.meta.dirname, name), join(root, 'tools', name))
  }
  writeFileSync(join(root, 'package.json'), '{ "type": "module" }')
  writeFileSync(join(root, 'package-lock.json'), '{}')
  writeFileSync(join(root, 'bin', 'isochrone.js'), 'exit 1\n')
  const npm = join(root, 'npm.js')
  writeFileSync(npm, npmText)
  const env = { ...process.env, npm_execpath: npm }
  const children: ChildProcess[] = []
  t.after(() => {
    for (const child of children) child.kill('SIGKILL')
    rmSync(root, { recursive: true, force: true })
  })
  const install = () => {
    const child = spawn(process.execPath, [join(root, 'tools', 'install.js')], { env })
    children.push(child)
    return watched(child)
  }
  const runs = () => readFileSync(join(root, 'runs'), 'utf8').trim().split('\n').map(Number)
  const turn = join(root, '.isochrone-installing')
  const isClean = () => !readdirSync(root).some((name) => name.startsWith('.isochrone-inst'))
  return { root, install, runs, turn, isClean, mayEnd: () => writeFileSync(`${root}/may-end`, '') }
}

function watched(child: ChildProcess) {
  let told = ''
  const closed = once(child, 'close').then(([code]) => code as number | null)
  const tells = (text: string) =>
    new Promise<void>((resolve, reject) => {
      const look = () => told.includes(text) && resolve()
      look()
      for (const stream of [child.stdout, child.stderr]) stream?.on('data', look)
      closed.then(() => reject(new Error(`ended without “${text}”: ${told}`)), reject)
    })
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (text) => {
      told += text
    })
  }
  return { child, closed, tells, told: () => told }
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

test('of two at once one installs, and the other waits for it and finds all done', async (t) => {
  const { root, install, runs, isClean, mayEnd } = project(t)
  const first = install()
  await first.tells('npm runs')
  const second = install()
  await second.tells(`Another process (${first.child.pid}) is installing the packages; waiting`)
  assert.equal(existsSync(join(root, 'node_modules')), false)
  mayEnd()
  assert.deepEqual([await first.closed, await second.closed], [0, 0])
  assert.equal(runs().length, 1)
  assert.doesNotMatch(second.told(), /Installing/)
  assert.ok(existsSync(join(root, 'node_modules', '.isochrone-installed')))
  assert.ok(isClean())
})

test(
  'a signal stops npm as well, the turn is given back, and who waits goes on',
  posix,
  async (t) => {
    const { root, install, runs, isClean, mayEnd } = project(t)
    const first = install()
    await first.tells('npm runs')
    const second = install()
    await second.tells('waiting')
    first.child.kill('SIGTERM')
    assert.equal(await first.closed, 143)
    assert.equal(isRunning(runs()[0] ?? 0), false)
    assert.doesNotMatch(first.told(), /could not be installed/)
    await second.tells('npm runs')
    const third = install()
    await third.tells('waiting')
    third.child.kill('SIGINT')
    assert.equal(await third.closed, 130)
    mayEnd()
    assert.equal(await second.closed, 0)
    assert.equal(runs().length, 2)
    assert.ok(existsSync(join(root, 'node_modules', '.isochrone-installed')))
    assert.ok(isClean())
  },
)

test('the turn of a process that is gone is taken over by one of those that wait', async (t) => {
  const { install, runs, turn, isClean, mayEnd } = project(t)
  const { pid } = spawnSync(process.execPath, ['--version'])
  writeFileSync(turn, String(pid))
  // Left by one that died while it took over.
  writeFileSync(`${turn}-removal`, String(pid))
  mayEnd()
  const all = [install(), install(), install()]
  assert.deepEqual(await Promise.all(all.map(({ closed }) => closed)), [0, 0, 0])
  assert.equal(runs().length, 1)
  assert.ok(isClean())
})

test('packages that cannot be installed are told, and the turn is given back', async (t) => {
  const { root, install, isClean } = project(t)
  writeFileSync(join(root, 'npm.js'), 'process.exit(7)')
  const only = install()
  assert.equal(await only.closed, 1)
  assert.match(only.told(), /The packages could not be installed: see the lines above\./)
  assert.equal(existsSync(join(root, 'node_modules', '.isochrone-installed')), false)
  assert.ok(isClean())
})
