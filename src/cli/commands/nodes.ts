/** `isochrone nodes`: who serves this network. */
import { defineCommand } from '../options/command.ts'
import { clientOptions } from '../options/recurring.ts'

export const nodesCommand = defineCommand({
  name: 'nodes',
  summary: 'list the nodes of the network, what they offer and how busy they are',
  options: clientOptions,
  examples: [
    { command: 'isochrone nodes', meaning: 'a table' },
    { command: 'isochrone nodes --json', meaning: 'everything a gateway knows of each' },
  ],
  run: async (input, context) => {
    const { runNodes } = await import('../client/nodes.ts')
    return runNodes(input.options, context)
  },
})
