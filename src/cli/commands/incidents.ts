/** `isochrone incidents`: who broke the rules, what followed, and what an operator decides. */
import { defineCommand } from '../options/command.ts'
import { flag, text } from '../options/option.ts'
import { clientOptions } from '../options/recurring.ts'

const id = { name: 'ID', help: 'inc_…, from the list', required: true } as const

export const incidentsCommand = defineCommand({
  name: 'incidents',
  summary: 'show who broke the rules and what followed; end a quarantine, or uphold it',
  actions: [
    {
      name: 'list',
      help: 'those that are open, also without “list”; with --all, those that are closed too',
      arguments: [],
      isDefault: true,
    },
    { name: 'show', help: 'one of them, with its evidence and its steps', arguments: [id] },
    {
      name: 'lift',
      help: 'nothing stands against it here any more; needs --reason',
      arguments: [id],
    },
    {
      name: 'uphold',
      help: 'it stays as it is, and only an operator ends it; needs --reason',
      arguments: [id],
    },
    {
      name: 'attest',
      help: 'its node may prove itself from now on, without waiting; needs --reason',
      arguments: [id],
    },
  ],
  options: {
    all: flag('with list: closed ones too'),
    reason: text('with lift, uphold and attest: why, for the record', { placeholder: 'TEXT' }),
    appeal: text('with lift, uphold and attest: what the owner of the worker had to say', {
      placeholder: 'TEXT',
    }),
    ...clientOptions,
  },
  examples: [
    { command: 'isochrone incidents', meaning: 'a table' },
    { command: 'isochrone incidents show inc_…', meaning: 'what was found, and what followed' },
    {
      command: 'isochrone incidents lift inc_… --reason "a faulty build, replaced"',
      meaning: 'its node gets requests of this gateway again; needs an operator’s key',
    },
    {
      command: 'isochrone incidents attest inc_… --reason "mended" --appeal "It was a bug."',
      meaning: 'its node may show now that it is mended; what its owner said is kept with it',
    },
  ],
  run: async (input, context) => {
    const { runIncidents } = await import('../client/incidents.ts')
    return runIncidents(
      { ...input.options, action: input.action, subject: input.arguments[0] },
      context,
    )
  },
})
