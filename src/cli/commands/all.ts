/**
 * Every command, in the order in which help shows them. Light: what a command needs is loaded when
 * it runs.
 */
import type { Command } from '../options/command.ts'
import { accountsCommand } from './accounts.ts'
import { chatCommand } from './chat.ts'
import { doctorCommand } from './doctor.ts'
import { explainCommand } from './explain.ts'
import { gatewayCommand } from './gateway.ts'
import { incidentsCommand } from './incidents.ts'
import { keysCommand } from './keys.ts'
import { meshCommand } from './mesh.ts'
import { modelsCommand } from './models.ts'
import { nodeCommand } from './node.ts'
import { nodesCommand } from './nodes.ts'
import { policyCommand } from './policy.ts'
import { startCommand } from './start.ts'

export const commands: readonly Command[] = [
  startCommand,
  chatCommand,
  explainCommand,
  incidentsCommand,
  accountsCommand,
  nodesCommand,
  meshCommand,
  gatewayCommand,
  nodeCommand,
  modelsCommand,
  policyCommand,
  keysCommand,
  doctorCommand,
]
