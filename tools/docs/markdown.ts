/** The little Markdown that the reference pages are made of. */

/** A table; `|` inside a cell would end it, so it is escaped. */
export function markdownTable(
  titles: readonly string[],
  rows: readonly (readonly string[])[],
): string {
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`
  return [line(titles), `|${titles.map(() => '---').join('|')}|`, ...rows.map(line)].join('\n')
}

export function code(text: string): string {
  return `\`${text}\``
}

/** Every generated page says so, and how. */
export function page(title: string, parts: readonly string[]): string {
  const note = '<!-- Written by `npm run docs` from the sources; a test compares. -->'
  return `${[`# ${title}`, note, ...parts].join('\n\n')}\n`
}
