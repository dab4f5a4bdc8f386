/** `isochrone policy`: what a policy file means, before a gateway follows it. */
import { resolve } from 'node:path'
import { type CommandContext, exitCode } from '../options/command.ts'
import { readPolicy } from './policy-file.ts'
import { renderPolicy } from './show-policy.ts'

export interface PolicyOptions {
  readonly file: string
  readonly json: boolean
}

export async function runPolicy(
  { file, json }: PolicyOptions,
  { folder, terminal }: CommandContext,
): Promise<number> {
  const policy = readPolicy({ file, path: resolve(folder, file) })
  terminal.out(json ? `${JSON.stringify(policy)}\n` : renderPolicy(policy, terminal))
  return exitCode.ok
}
