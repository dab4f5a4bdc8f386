/** `isochrone explain`: why a request went where it went. */
import { defineCommand } from '../options/command.ts'
import { clientOptions } from '../options/recurring.ts'

export const explainCommand = defineCommand({
  name: 'explain',
  summary: 'show why a request went to the node that answered it',
  arguments: [
    {
      name: 'DECISION_ID',
      help: 'dec_…, from the answer’s header x-isochrone-decision; without it, the last chat’s',
      required: false,
    },
  ],
  options: clientOptions,
  examples: [
    { command: 'isochrone explain', meaning: 'the last answer of isochrone chat' },
    { command: 'isochrone explain dec_… --json', meaning: 'the whole decision, for programs' },
  ],
  run: async (input, context) => {
    const { runExplain } = await import('../client/explain.ts')
    return runExplain({ ...input.options, decision: input.arguments[0] }, context)
  },
})
