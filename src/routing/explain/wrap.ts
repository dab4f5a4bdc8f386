/** Text for a terminal: lines no longer than it is wide, later ones indented under the first. */

/** Narrower than this, and a node's id would stand alone on its line. */
export const columnsMin = 40
export const columnsDefault = 100

/** @param text lines, each with its own indentation; a word that is too long stays whole */
export function wrap(text: string, columns: number): string {
  const width = Math.max(columnsMin, columns)
  return text
    .split('\n')
    .flatMap((line) => wrapLine(line, width))
    .join('\n')
}

/** Between a number and its unit, which stay together; no text holds one. */
const gap = '\u0000'
const beforeUnit = /(?<=\d) (?=(?:%|ms|s|µ\$|GiB)(?![\p{L}\d]))/gu

function wrapLine(line: string, width: number): readonly string[] {
  if (line.length <= width) return [line]
  const indent = line.length - line.trimStart().length
  // Under the text of a list's item, not under its number.
  const item = /^(?:→ ?)?\s*\d+\. /.exec(line.slice(indent))?.[0].length ?? 2
  const hanging = ' '.repeat(indent + item)
  const lines: string[] = []
  let current = ' '.repeat(indent)
  let isEmpty = true
  for (const word of line.trim().replaceAll(beforeUnit, gap).split(/ +/)) {
    if (!isEmpty && current.length + 1 + word.length > width) {
      lines.push(current)
      current = hanging
      isEmpty = true
    }
    current += isEmpty ? word : ` ${word}`
    isEmpty = false
  }
  return [...lines, current].map((one) => one.replaceAll(gap, ' '))
}
