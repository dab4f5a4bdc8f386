/**
 * The terminal as commands see it: where text goes, whether a person watches, and colour only if
 * so.
 */
export interface Terminal {
  /** Results: standard output. */
  out(text: string): void
  /** Everything that is not a result: progress, hints, errors. */
  note(text: string): void
  readonly interactive: boolean
  /** Notes go to a screen that can be redrawn. */
  readonly redraws: boolean
  readonly columns: number
  /** Of the screen that results go to; without one, no line is too long. */
  readonly width: number
  readonly style: Style
  readonly noteStyle: Style
}

type Paint = (text: string) => string

export interface Style {
  readonly bold: Paint
  readonly dim: Paint
  readonly red: Paint
  readonly green: Paint
  readonly yellow: Paint
  readonly cyan: Paint
}

const plain: Paint = (text) => text
const ansi =
  (start: number, end: number): Paint =>
  (text) =>
    `\u001b[${start}m${text}\u001b[${end}m`

export const plainStyle: Style = {
  bold: plain,
  dim: plain,
  red: plain,
  green: plain,
  yellow: plain,
  cyan: plain,
}

const colourStyle: Style = {
  bold: ansi(1, 22),
  dim: ansi(2, 22),
  red: ansi(31, 39),
  green: ansi(32, 39),
  yellow: ansi(33, 39),
  cyan: ansi(36, 39),
}

type Env = Readonly<Record<string, string | undefined>>

/** Colour is for a screen; https://no-color.org says how to refuse it. */
export function styleFor(stream: { readonly isTTY?: boolean }, env: Env): Style {
  const refused = (env['NO_COLOR'] ?? '') !== '' || env['TERM'] === 'dumb'
  return stream.isTTY === true && !refused ? colourStyle : plainStyle
}

export function processTerminal(env: Env): Terminal {
  const { stdout, stderr, stdin } = process
  // A reader that leaves early (`… | head`) is no error of ours.
  for (const stream of [stdout, stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EPIPE') process.exit(0)
    })
  }
  return {
    out: (text) => void stdout.write(text),
    note: (text) => void stderr.write(text),
    interactive: stdin.isTTY === true && stdout.isTTY === true,
    redraws: stderr.isTTY === true && env['TERM'] !== 'dumb',
    columns: stdout.columns ?? 100,
    width: stdout.columns ?? Number.POSITIVE_INFINITY,
    style: styleFor(stdout, env),
    noteStyle: styleFor(stderr, env),
  }
}
