/** `isochrone start`: a whole network on this machine, for trying it out and for development. */
import { defineCommand } from '../options/command.ts'
import { integer, switchedOff } from '../options/option.ts'
import { configOption, dataOption, jsonOption, policyOption } from '../options/recurring.ts'

export const startCommand = defineCommand({
  name: 'start',
  summary: 'start a local network: a gateway and some nodes in three emulated regions',
  options: {
    nodes: integer('how many nodes, each a process of its own', {
      default: 5,
      min: 1,
      max: 64,
      placeholder: 'N',
    }),
    port: integer('port for clients; 0 takes a free one', {
      default: 8080,
      min: 0,
      max: 65_535,
      placeholder: 'PORT',
    }),
    data: dataOption,
    policy: policyOption,
    wan: switchedOff('do not emulate the delay between regions', 'it is emulated'),
    json: jsonOption,
    config: configOption,
  },
  examples: [
    { command: 'npm start', meaning: 'five nodes, http://127.0.0.1:8080' },
    { command: 'npm start -- --nodes 3 --port 9000', meaning: 'fewer nodes, another port' },
    { command: 'isochrone start --no-wan', meaning: 'without the emulated wide area' },
  ],
  run: async (input, context) => {
    const { runStart } = await import('../start/run-start.ts')
    return runStart(input.options, context)
  },
})
