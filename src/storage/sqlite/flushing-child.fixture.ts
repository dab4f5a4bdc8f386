/** Appends and flushes until it is killed; says on standard output how many are on the disk. */
import { ManualClock, silentLog } from '../../base/index.ts'
import { sampleDecision, sampleObservation } from '../stores.contract.ts'
import { openSqliteStorage } from './sqlite-storage.ts'

/** Shortly after the sample observations, so that they are not too old to keep. */
const clock = new ManualClock(1_700_000_100_000)
const storage = openSqliteStorage(process.argv[2] ?? '', { clock, log: silentLog })
for (let i = 0; ; i += 1) {
  storage.observations.append(sampleObservation(i))
  storage.decisions.put(sampleDecision(i))
  await storage.observations.flush()
  process.stdout.write(`${i + 1}\n`)
}
