/** What each gate of a decision checks, from the head of its own file. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { code, markdownTable } from './markdown.ts'

const folder = join(import.meta.dirname, '../../src/routing/gates')

export function gatesTable(): string {
  const list = read('gates.ts')
  const fileOf = new Map(
    [...list.matchAll(/import \{ (\w+) \} from '\.\/([\w-]+\.ts)'/g)].map(([, name, file]) => [
      name,
      file,
    ]),
  )
  const order = list.slice(list.indexOf('export const gates')).matchAll(/^ {2}(\w+),$/gm)
  const rows = [...order].map(([, name]) => rowOf(read(fileOf.get(name) ?? '')))
  return markdownTable(['gate', 'what it checks'], rows)
}

function rowOf(source: string): readonly string[] {
  const [, comment = ''] = /^\/\*\*(.*?)\*\//s.exec(source) ?? []
  const [, name = ''] = /^ {2}name: '([\w-]+)',$/m.exec(source) ?? []
  return [
    code(name),
    comment
      .replaceAll(/\n \* ?/g, ' ')
      .replaceAll(/\s+/g, ' ')
      .trim(),
  ]
}

function read(file: string): string {
  return readFileSync(join(folder, file), 'utf8')
}
