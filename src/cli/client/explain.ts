/** `isochrone explain`: one decision, as text for a person or as it is stored. */
import { dataFolder } from '../files/data-folder.ts'
import { type CommandContext, exitCode } from '../options/command.ts'
import { usageError } from '../options/usage-error.ts'
import { harmless } from '../terminal/harmless.ts'
import { type ClientOptions, openGatewayClient, readOptional } from './gateway-client.ts'

export interface ExplainOptions extends ClientOptions {
  readonly decision: string | undefined
}

export async function runExplain(
  options: ExplainOptions,
  context: CommandContext,
): Promise<number> {
  const { lastDecision } = dataFolder(options.data, context.folder)
  const id = options.decision ?? readOptional(lastDecision)
  if (id === undefined) {
    throw usageError(
      'DECISION_ID is missing, and there was no chat here yet: take it from the answer’s header ' +
        'x-isochrone-decision',
    )
  }
  if (!id.startsWith('dec_')) throw usageError(`${id} is not a decision id; they begin with dec_.`)
  const client = openGatewayClient(options, context.folder)
  const asText = options.json ? '' : `?format=text&columns=${context.terminal.columns}`
  const path = `/v1/decisions/${encodeURIComponent(id)}${asText}`
  const answer = await (await client.get(path)).text()
  const text = options.json ? answer : harmless(answer)
  context.terminal.out(text.endsWith('\n') ? text : `${text}\n`)
  return exitCode.ok
}
