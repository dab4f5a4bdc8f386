/** Placeholder until the engine lands. */
import type { Bench } from '../bench.ts'
export const engineBench: Bench = {
  name: 'engine',
  summary: '',
  options: {},
  optionsHelp: [],
  run: async () => ({ bench: 'engine', checks: [], context: {} }),
}
