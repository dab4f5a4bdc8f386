/**
 * storage: where observations and decisions are kept.
 * In memory, or in SQLite with commits in groups by a thread of their own.
 */
export { MemoryDecisionStore } from './memory/memory-decision-store.ts'
export { MemoryObservationStore } from './memory/memory-observation-store.ts'
export {
  openSqliteStorage,
  type SqliteStorageOptions,
  type Storage,
} from './sqlite/sqlite-storage.ts'
