/** `isochrone mesh`: who is in the mesh, where, and how busy. */
import { defineCommand } from '../options/command.ts'
import { flag } from '../options/option.ts'
import { clientOptions } from '../options/recurring.ts'

export const meshCommand = defineCommand({
  name: 'mesh',
  summary: 'show the mesh: regions, clusters and members with state, round trip and load',
  options: { watch: flag('show it again every two seconds until Ctrl-C'), ...clientOptions },
  examples: [
    { command: 'isochrone mesh', meaning: 'a tree' },
    { command: 'isochrone mesh --watch', meaning: 'the tree as it changes' },
    { command: 'isochrone mesh --json', meaning: 'everything the gateway knows of it' },
  ],
  run: async (input, context) => {
    const { runMesh } = await import('../client/mesh.ts')
    return runMesh(input.options, context)
  },
})
