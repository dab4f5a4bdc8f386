/** How a hint writes a command, so that the person can type it as it stands. */
import { dataOption } from './recurring.ts'

type Environment = Readonly<Record<string, string | undefined>>

/**
 * `keys list` → `isochrone keys list`; in a clone, where the program runs as a script of npm and
 * no `isochrone` is on the path, `npm run --silent isochrone -- keys list`.
 */
export function commandLine(command: string, env: Environment = process.env): string {
  const script = env['npm_lifecycle_event']
  const ours = env['npm_package_name'] === 'isochrone'
  const inClone = ours && (script === 'isochrone' || script === 'start')
  return inClone ? `npm run --silent isochrone -- ${command}` : `isochrone ${command}`
}

/** ` --data DIR`, as a shell reads it; empty for the default. */
export function dataFlag(data: string): string {
  return data === dataOption.default ? '' : ` --data ${shellWord(data)}`
}

export function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`
}
