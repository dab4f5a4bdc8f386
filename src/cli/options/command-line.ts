/** How a hint writes a command, so that the person can type it as it stands. */
import { existsSync } from 'node:fs'
import { basename, delimiter, dirname, relative, sep } from 'node:path'
import { dataOption } from './recurring.ts'

/** How this process was started. */
export interface Start {
  readonly env: Readonly<Record<string, string | undefined>>
  /** Path of the program, as it was named. */
  readonly program: string
  /** Where the person is. */
  readonly folder: string
}

/** `keys list` → the words that run it from where the person is; mostly `isochrone keys list`. */
export function commandLine(command: string, start: Start = presentStart()): string {
  return `${programName(start)} ${command}`
}

function presentStart(): Start {
  return { env: process.env, program: process.argv[1] ?? '', folder: process.cwd() }
}

/** Our own entries: `node` runs them where nothing on the path does. */
const entryPattern = /[/\\](bin[/\\]isochrone\.js|src[/\\]cli[/\\]main\.ts)$/

function programName({ env, program, folder }: Start): string {
  const script = env['npm_lifecycle_event']
  const ours = env['npm_package_name'] === 'isochrone'
  // In a clone the program is a script of npm, and no `isochrone` is on the path.
  if (ours && (script === 'isochrone' || script === 'start')) return 'npm run --silent isochrone --'
  if (script === 'npx') return 'npx isochrone'
  if (entryPattern.test(program)) return `node ${shellWord(near(program, folder))}`
  const isLink = basename(program) === 'isochrone' && existsSync(program)
  if (!isLink || isOnPath(dirname(program), env)) return 'isochrone'
  return shellWord(near(program, folder))
}

/** npm keeps options before `--` for itself and hands on only what looks like their values. */
export function npmHint(env: Start['env'] = process.env): string {
  const ours = env['npm_package_name'] === 'isochrone' && env['npm_lifecycle_event'] === 'start'
  return ours ? ' Options come after --, as in: npm start -- --port 9090.' : ''
}

function isOnPath(place: string, env: Start['env']): boolean {
  return (env['PATH'] ?? '').split(delimiter).includes(place)
}

/** From the folder where it is below that, else in full. */
function near(path: string, folder: string): string {
  const short = relative(folder, path)
  if (short.startsWith('..') || short === '') return path
  return short.includes(sep) ? short : `.${sep}${short}`
}

/** ` --data DIR`, as a shell reads it; empty for the default. */
export function dataFlag(data: string): string {
  return data === dataOption.default ? '' : ` --data ${shellWord(data)}`
}

/** Where models are: ` --store DIR`, else ` --data DIR`, else nothing. */
export function storeFlag(options: {
  readonly store?: string | undefined
  readonly data: string
}): string {
  return options.store === undefined
    ? dataFlag(options.data)
    : ` --store ${shellWord(options.store)}`
}

export function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`
}
