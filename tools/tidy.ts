/**
 * The house's own lint: `node tools/tidy.ts` reads src/, bench/ and tools/ and ends with 1 if a
 * rule is broken.
 *
 * The rules are in tools/tidy-rules.ts, the exceptions with their reasons in
 * tools/tidy-exceptions.ts.
 */
import { globSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { tidyExceptions } from './tidy-exceptions.ts'
import { type Finding, tidyFile } from './tidy-rules.ts'

const root = join(import.meta.dirname, '..')
const { rooms } = createRequire(import.meta.url)('./rooms.cjs') as { rooms: object }

const files = globSync(
  ['{src,bench,tools}/**/*.{ts,js,cjs,mjs}', 'bin/*.js', '.dependency-cruiser.cjs'],
  { cwd: root, exclude: (name) => ['node_modules', 'generated', 'reference-model'].includes(name) },
)
const findings = files.flatMap((file) =>
  tidyFile(file, readFileSync(join(root, file), 'utf8'), Object.keys(rooms)),
)
const isExcepted = (finding: Finding) =>
  tidyExceptions.some(({ file, rule }) => file === finding.file && rule === finding.rule)
const isUnused = (exception: { file: string; rule: string }) =>
  !findings.some(({ file, rule }) => file === exception.file && rule === exception.rule)

const broken = findings.filter((finding) => !isExcepted(finding))
for (const { file, line, rule, message } of broken) {
  console.error(`${file}:${line}  ${rule}: ${message}`)
}
const unused = tidyExceptions.filter(isUnused)
for (const { file, rule } of unused) {
  console.error(`tools/tidy-exceptions.ts: ${file} no longer needs its exception to “${rule}”`)
}
if (broken.length + unused.length > 0) process.exitCode = 1
console.log(`tidy: ${files.length} files, ${broken.length + unused.length} findings`)
