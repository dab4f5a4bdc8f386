/** One line on stderr that says what a long benchmark is at; stdout keeps the report alone. */
const begin = performance.now()

export function progress(text: string): void {
  const seconds = Math.round((performance.now() - begin) / 1000)
  const line = `[${String(seconds).padStart(4)} s] ${text}`
  process.stderr.write(process.stderr.isTTY ? `\r\u001b[K${line}` : `${line}\n`)
}

export function progressDone(): void {
  if (process.stderr.isTTY) process.stderr.write('\r\u001b[K')
}
