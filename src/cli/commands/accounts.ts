/** `isochrone accounts`: who is owed what. */
import { defineCommand } from '../options/command.ts'
import { clientOptions } from '../options/recurring.ts'

export const accountsCommand = defineCommand({
  name: 'accounts',
  summary: 'show what nodes have earned at a gateway, and what of it is held or void',
  arguments: [
    { name: 'NODE', help: 'one of them, by its id or how that begins; else all', required: false },
  ],
  options: clientOptions,
  examples: [
    { command: 'isochrone accounts', meaning: 'a table; needs an operator’s key' },
    { command: 'isochrone accounts tqj5jbay', meaning: 'one of them, answer by answer' },
  ],
  run: async (input, context) => {
    const { runAccounts } = await import('../client/accounts.ts')
    return runAccounts({ ...input.options, node: input.arguments[0] }, context)
  },
})
