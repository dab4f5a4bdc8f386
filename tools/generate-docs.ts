/** Writes the reference pages of docs/ from the tables in the sources: `npm run docs`. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { referencePages } from './docs/pages.ts'

for (const [file, text] of await referencePages()) {
  writeFileSync(join(import.meta.dirname, '..', file), text)
  console.log(`wrote ${file}`)
}
