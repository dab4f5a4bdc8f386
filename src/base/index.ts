/**
 * base: what every room may use and that knows no word of the domain.
 * Clock, the end of a turn, randomness, log, assertions, a bounded queue, a list of what is under
 * way, JSON schemas. Imports nothing of ours.
 */
export { AssertionFailure, assert, unreachable } from './assert.ts'
export { BoundedQueue } from './bounded-queue.ts'
export { type Clock, ManualClock, sleep, systemClock, type Timer } from './clock.ts'
export { createLog, type Log, type LogFields, type LogLevel, silentLog } from './log.ts'
export { pooledBytes, pooledCopy } from './pooled-bytes.ts'
export { type Random, secureRandom, seededRandom } from './random.ts'
export { json, type ObjectSchema, type OptionalMember, type Schema, type Static } from './schema.ts'
export { SlotList } from './slot-list.ts'
export { ManualTurn, systemTurn, type Turn } from './turn.ts'
export { type Fault, faultPhrase, pointerOf, Validator } from './validator.ts'
