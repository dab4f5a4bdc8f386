/** `isochrone keys`: the API keys of a gateway. */
import { defineCommand } from '../options/command.ts'
import { flag, integer, text } from '../options/option.ts'
import { configOption, dataOption, jsonOption } from '../options/recurring.ts'

export const keysCommand = defineCommand({
  name: 'keys',
  summary: 'create, list and revoke API keys of the gateway in the data folder',
  actions: [
    { name: 'create', help: 'make a key; it is shown once and kept only as a hash', arguments: [] },
    { name: 'list', help: 'every key without its secret', arguments: [] },
    {
      name: 'revoke',
      help: 'a running gateway refuses the key within a second',
      arguments: [{ name: 'KEY_ID', help: 'key_…, from the list', required: true }],
    },
  ],
  options: {
    name: text('whose key it is, for your own notes', { default: '', placeholder: 'TEXT' }),
    operator: flag('with create: may read every decision and account, and decide about incidents'),
    'requests-per-minute': integer('limit of this key; 0: the gateway’s', {
      default: 0,
      min: 0,
      max: 1_000_000_000,
      placeholder: 'N',
    }),
    'tokens-per-minute': integer('limit of this key; 0: the gateway’s', {
      default: 0,
      min: 0,
      max: 1_000_000_000_000,
      placeholder: 'N',
    }),
    data: dataOption,
    json: jsonOption,
    config: configOption,
  },
  examples: [
    { command: 'isochrone keys create --name laptop', meaning: 'prints the key' },
    { command: 'isochrone keys revoke key_1a2b3c4d5e6f', meaning: 'it stops working' },
  ],
  run: async (input, context) => {
    const { runKeys } = await import('../keys/run-keys.ts')
    return runKeys({ ...input.options, action: input.action, subject: input.arguments[0] }, context)
  },
})
