/** The memory twins keep the stores' contract. */
import { storesContract } from '../stores.contract.ts'
import { MemoryDecisionStore } from './memory-decision-store.ts'
import { MemoryObservationStore } from './memory-observation-store.ts'

storesContract('memory', (limits) => ({
  observations: new MemoryObservationStore(limits),
  decisions: new MemoryDecisionStore(limits),
  close: async () => {},
}))
