/** `isochrone chat`: talk to the network in the terminal. */
import { defineCommand } from '../options/command.ts'
import { decimal, flag, integer, text } from '../options/option.ts'
import { clientOptions } from '../options/recurring.ts'

export const chatCommand = defineCommand({
  name: 'chat',
  summary: 'talk to the network in the terminal',
  arguments: [
    { name: 'QUESTION', help: 'ask once; without it, a conversation', required: false, many: true },
  ],
  options: {
    model: text('which model', { placeholder: 'NAME', defaultText: 'the first one offered' }),
    why: flag('show after each answer why its node was chosen'),
    system: text('instructions for the model', { placeholder: 'TEXT' }),
    'max-tokens': integer('longest answer; 0: as long as the context', {
      default: 0,
      min: 0,
      max: 16_777_216,
      placeholder: 'N',
    }),
    temperature: decimal('0 takes the likeliest word each time', {
      default: 0,
      min: 0,
      max: 2,
      placeholder: 'T',
    }),
    region: text('only nodes of this region', { placeholder: 'NAME' }),
    ...clientOptions,
  },
  examples: [
    { command: 'isochrone chat "What is the capital of Peru?"', meaning: 'one question' },
    { command: 'isochrone chat --why', meaning: 'a conversation; Ctrl-C stops an answer' },
  ],
  run: async (input, context) => {
    const { runChat } = await import('../client/chat.ts')
    return runChat({ ...input.options, question: input.arguments.join(' ') }, context)
  },
})
