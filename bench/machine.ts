/** What a figure depends on: the machine and the versions, for a report's context. */
import { readFileSync } from 'node:fs'
import { arch, cpus, platform, release, totalmem } from 'node:os'
import { join } from 'node:path'

const root = join(import.meta.dirname, '..')

export function describeMachine(): Readonly<Record<string, string | number>> {
  const cores = cpus()
  return {
    processor: cores[0]?.model.trim() ?? 'unknown',
    cores: cores.length,
    memoryGib: Number((totalmem() / 2 ** 30).toFixed(1)),
    system: `${platform()} ${release()} ${arch()}`,
  }
}

/** This project, Node.js, and the named packages as they are installed. */
export function describeVersions(packages: readonly string[]): Readonly<Record<string, string>> {
  const own = versionIn(join(root, 'package.json'))
  const installed = packages.map((name) => [
    name,
    versionIn(join(root, 'node_modules', name, 'package.json')),
  ])
  return { isochrone: own, 'node.js': process.versions.node, ...Object.fromEntries(installed) }
}

export function versionIn(packageFile: string): string {
  const content: { version?: string } = JSON.parse(readFileSync(packageFile, 'utf8'))
  return content.version ?? 'unknown'
}
