/** `isochrone doctor`: can this machine be a node, and how good a one? */
import { defineCommand } from '../options/command.ts'
import { switchedOff } from '../options/option.ts'
import { configOption, dataOption, jsonOption } from '../options/recurring.ts'

export const doctorCommand = defineCommand({
  name: 'doctor',
  summary: 'check and measure this machine as a node would, and say how to mend what is wrong',
  options: {
    measure: switchedOff('look only, measure nothing', 'it measures'),
    data: dataOption,
    json: jsonOption,
    config: configOption,
  },
  examples: [
    { command: 'isochrone doctor', meaning: 'every check with its finding' },
    { command: 'isochrone doctor --json', meaning: 'the same for programs' },
  ],
  run: async (input, context) => {
    const { runDoctor } = await import('../doctor/run-doctor.ts')
    return runDoctor(input.options, context)
  },
})
