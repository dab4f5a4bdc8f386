/** `isochrone explain`: why a request went where it went. */
import { defineCommand } from '../options/command.ts'
import { flag, text } from '../options/option.ts'
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
  options: {
    replay: flag('make the decision again from what was kept, and say whether it is the same'),
    preview: text('show where this question would go, without asking it', {
      placeholder: 'QUESTION',
    }),
    model: text('which model, with --preview', {
      placeholder: 'NAME',
      defaultText: 'the first one offered',
    }),
    region: text('only nodes of this region, with --preview', { placeholder: 'NAME' }),
    ...clientOptions,
  },
  examples: [
    { command: 'isochrone explain', meaning: 'the last answer of isochrone chat' },
    { command: 'isochrone explain dec_… --replay', meaning: 'decide anew, and compare' },
    { command: 'isochrone explain dec_… --json', meaning: 'the whole decision, for programs' },
    { command: 'isochrone explain --preview "Hello?"', meaning: 'where it would go, and why' },
  ],
  run: async (input, context) => {
    const { runExplain } = await import('../client/explain.ts')
    return runExplain({ ...input.options, decision: input.arguments[0] }, context)
  },
})
