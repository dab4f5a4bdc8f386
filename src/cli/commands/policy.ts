/** `isochrone policy`: what a policy file means. */
import { defineCommand } from '../options/command.ts'
import { configOption, jsonOption } from '../options/recurring.ts'

export const policyCommand = defineCommand({
  name: 'policy',
  summary: 'check a file of model tiers, and show what it asks of nodes',
  actions: [
    {
      name: 'check',
      help: 'say what is wrong and where, or what it means',
      arguments: [{ name: 'FILE', help: 'see docs/policy.md', required: true }],
    },
  ],
  options: { json: jsonOption, config: configOption },
  examples: [
    { command: 'isochrone policy check policy.yaml', meaning: 'its version, its tiers, as tables' },
  ],
  run: async (input, context) => {
    const { runPolicy } = await import('../policy/run-policy.ts')
    const [file = ''] = input.arguments
    return runPolicy({ file, json: input.options.json }, context)
  },
})
