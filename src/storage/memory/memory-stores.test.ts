/** The memory twins keep the stores' contract. */
import { MemoryLedger } from '../../ledger/index.ts'
import { ledgerContract } from '../ledger.contract.ts'
import { storesContract } from '../stores.contract.ts'
import { MemoryDecisionStore } from './memory-decision-store.ts'
import { MemoryObservationStore } from './memory-observation-store.ts'

storesContract('memory', (limits) => ({
  observations: new MemoryObservationStore(limits),
  decisions: new MemoryDecisionStore(limits),
  close: async () => {},
}))

ledgerContract('memory', (limits) => ({
  ledger: new MemoryLedger(limits),
  close: async () => {},
}))
