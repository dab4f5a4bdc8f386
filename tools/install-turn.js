// One process at a time installs packages: two of them would delete and unpack the same files.
// Plain JavaScript, because it runs before the project's own Node is there: any Node >= 20 will do.
import { readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'

const pollMs = 200
/** Its process writes its id at once; a file that is empty for so long is that of a dead one. */
const emptyMsMax = 5000

/**
 * Waits while another process has the turn; that of a process that is gone is taken over.
 *
 * @param {string} file there for as long as somebody has the turn, with the id of the process
 * @param {AbortSignal} signal ends the waiting: the promise is then rejected
 * @returns gives the turn back
 */
export async function takeTurn(file, signal) {
  let isTold = false
  for (;;) {
    signal.throwIfAborted()
    if (tryTurn(file)) return () => rmSync(file, { force: true })
    const holder = holderOf(file)
    if (isGone(file, holder)) removeAbandoned(file, holder)
    else if (holder !== undefined && !isTold) {
      const who = `Another process (${holder}) is installing the packages`
      console.error(`${who}; waiting for it … (if none is, remove ${file})`)
      isTold = true
    }
    await pause(pollMs, undefined, { signal })
  }
}

function tryTurn(file) {
  try {
    writeFileSync(file, String(process.pid), { flag: 'wx' })
    return true
  } catch (error) {
    // Where the folder cannot be written nothing is installed either, and npm says why.
    return error.code !== 'EEXIST'
  }
}

/** The process id as text; undefined: nobody has it any more. */
function holderOf(file) {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return undefined
  }
}

function isGone(file, holder) {
  if (holder === undefined) return false
  if (!/^[1-9]\d*$/.test(holder)) {
    const { mtimeMs } = statSync(file, { throwIfNoEntry: false }) ?? {}
    return mtimeMs !== undefined && Date.now() - mtimeMs > emptyMsMax
  }
  try {
    process.kill(Number(holder), 0)
    return false
  } catch (error) {
    return error.code === 'ESRCH'
  }
}

/**
 * Of several that wait, one at a time removes it, and only where it is still the dead one's: else
 * the slower would remove what the quicker made meanwhile.
 */
function removeAbandoned(file, holder) {
  const removal = `${file}-removal`
  if (!tryTurn(removal)) {
    if (isGone(removal, holderOf(removal))) rmSync(removal, { force: true })
    return
  }
  try {
    if (holderOf(file) === holder) rmSync(file, { force: true })
  } finally {
    rmSync(removal, { force: true })
  }
}
