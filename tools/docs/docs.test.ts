// Documents are held to the code: reference pages, commands that are shown, links between files.
import assert from 'node:assert/strict'
import { existsSync, globSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { commands } from '../../src/cli/commands/all.ts'
import { errorCodes } from '../../src/protocol/index.ts'
import { metrics } from '../../src/telemetry/index.ts'
import { describeGateway, extensionFields } from './http-page.ts'
import { referencePages } from './pages.ts'

const root = join(import.meta.dirname, '..', '..')
const read = (file: string) => readFileSync(join(root, file), 'utf8')
const documents = globSync(['*.md', 'docs/**/*.md', 'bench/**/*.md'], {
  cwd: root,
  exclude: (name) => name === 'node_modules',
})

for (const [file, text] of await referencePages()) {
  test(`${file} says what the code says`, () => {
    assert.equal(read(file), text, `${file} is out of date; write it with: npm run docs`)
  })
}

test('every error code, metric and command is in the reference', () => {
  for (const code of Object.keys(errorCodes))
    assert(read('docs/errors.md').includes(`| \`${code}\``))
  for (const { name } of Object.values(metrics))
    assert(read('docs/metrics.md').includes(`\`${name}\``))
  for (const { name } of commands) assert(read('docs/options.md').includes(`\n## ${name}\n`))
})

test('every header in the reference is one that the gateway sends', async () => {
  const files = globSync('src/gateway/**/*.ts', { cwd: root })
  const senders = files.filter((file) => !/answer-headers\.ts$|\.test\.ts$/.test(file))
  const sources = senders.map(read).join('\n')
  const { components } = await describeGateway()
  for (const name of Object.keys(components.headers)) assert(sources.includes(`'${name}'`), name)
})

test('every gate is in the reference, with what it checks', () => {
  const page = read('docs/http.md')
  for (const file of globSync('src/routing/gates/*.ts', { cwd: root })) {
    const [, name] = /^ {2}name: '([\w-]+)',$/m.exec(read(file)) ?? []
    if (name !== undefined) assert.match(page, new RegExp(`\\| \`${name}\` \\| \\S.+ \\|\\n`))
  }
})

test('every field under isochrone is in the reference, and no other', () => {
  const schema = read('src/gateway/openai/schemas.ts')
  const extension = schema.slice(
    schema.indexOf('const extension ='),
    schema.indexOf('const model ='),
  )
  const fields = [...extension.matchAll(/\b([a-z_]+): optional\(/g)].map(([, name]) => name)
  const told = extensionFields.flatMap(([name]) => name.split('.'))
  assert.deepEqual([...new Set(told)].sort(), fields.sort())
})

test('every npm script that a document shows exists', () => {
  const { scripts }: { scripts: Record<string, string> } = JSON.parse(read('package.json'))
  for (const file of documents) {
    const shown = read(file).matchAll(/npm (?:run (?:--silent )?([\w:-]+)|(start|test)\b)/g)
    for (const [text, run, short] of shown) {
      const name = run ?? short ?? ''
      assert(Object.hasOwn(scripts, name), `${file} shows “${text}”, which package.json lacks`)
    }
  }
})

test('every isochrone command and option that a document shows exists', () => {
  const names = commands.map(({ name }) => name).join('|')
  const shown = new RegExp(`isochrone (?:-- )?(${names})\\b([^\`\\n]*)`, 'g')
  for (const file of documents) {
    const text = read(file)
    for (const [line, name = ''] of text.matchAll(/isochrone -- ([a-z]+)/g)) {
      assert(names.split('|').includes(name), `${file} shows “${line}”, which is no command`)
    }
    for (const [line, name, rest = ''] of text.matchAll(shown)) {
      const options = commands.find((command) => command.name === name)?.options ?? {}
      for (const [, option = ''] of rest.matchAll(/ --(?:no-)?([a-z][a-z-]*)/g)) {
        const isKnown: boolean = Object.hasOwn(options, option) || option === 'help'
        assert(isKnown, `${file} shows “${line}”: “isochrone ${name}” has no --${option}`)
      }
    }
  }
})

test('every link to a file leads somewhere', () => {
  for (const file of documents) {
    for (const [, target = ''] of read(file).matchAll(/\]\(([^)#]+)[^)]*\)/g)) {
      if (/^[a-z]+:/.test(target)) continue
      assert(existsSync(join(root, dirname(file), target)), `${file} links to ${target}`)
    }
  }
})

test('.ci/run calls the two commands of the README', () => {
  const ci = read('.ci/run')
  assert.match(ci, /^npm test$/m)
  assert.match(ci, /^\s*npm start -- /m)
  assert.match(read('README.md'), /^npm test$/m)
  assert.match(read('README.md'), /^npm start$/m)
})
