/** `isochrone mesh`: the tree of regions, clusters and members, once or again and again. */
import { sleep, systemClock } from '../../base/index.ts'
import { asIsochroneError } from '../../protocol/index.ts'
import { type CommandContext, exitCode } from '../options/command.ts'
import { watchLifetime } from '../process/lifetime.ts'
import type { Terminal } from '../terminal/terminal.ts'
import {
  type ClientOptions,
  type GatewayClient,
  openGatewayClient,
  shownJson,
} from './gateway-client.ts'
import { type MeshView, renderMesh } from './mesh-tree.ts'

export interface MeshOptions extends ClientOptions {
  readonly watch: boolean
}

/** As often as a view changes visibly. */
const watchIntervalMs = 2_000
/** What a screen can still be scrolled through. */
const membersShownMax = 1_000

export async function runMesh(options: MeshOptions, context: CommandContext): Promise<number> {
  const client = openGatewayClient(options, context)
  const { terminal } = context
  const first = await textOf(client, options, terminal)
  if (!options.watch) {
    terminal.out(first)
    return exitCode.ok
  }
  const lifetime = watchLifetime()
  const redraws = terminal.interactive && !options.json
  const gap = redraws ? clearScreen : options.json ? '' : '\n'
  terminal.out(`${redraws ? clearScreen : ''}${first}`)
  try {
    for (;;) {
      await sleep(systemClock, watchIntervalMs, lifetime.stopping).catch(() => {})
      if (lifetime.stopping.aborted) return exitCode.ok
      try {
        terminal.out(`${gap}${await textOf(client, options, terminal)}`)
      } catch (error) {
        // Whoever watches wants to see the gateway come back.
        const { message } = asIsochroneError(error)
        terminal.note(`${redraws ? clearScreen : ''}${message}; trying again\n`)
      }
    }
  } finally {
    lifetime.release()
  }
}

/** Cursor home, and away with what was there. */
const clearScreen = '\u001b[H\u001b[2J'

async function textOf(
  client: GatewayClient,
  { json }: MeshOptions,
  terminal: Terminal,
): Promise<string> {
  // For programs as many as the gateway tells.
  const limit = json ? 9_999 : membersShownMax
  const answer = await client.get(`/v1/mesh?limit=${limit}`)
  const mesh = (await shownJson(answer, json)) as MeshView
  if (json) return `${JSON.stringify(mesh)}\n`
  return mesh.members === 0 ? 'Nobody is in the mesh yet.\n' : renderMesh(mesh, terminal)
}
