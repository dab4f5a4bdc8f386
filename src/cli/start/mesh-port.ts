/** Where nodes join, kept over restarts: a node that was added by hand finds its gateway again. */
import { readFileSync } from 'node:fs'
import { writeFileAtomically } from '../files/atomic-file.ts'
import { checkPortIsFree } from './free-port.ts'

const portMax = 65_535

/** 0, any will do: none was kept, or another program has it now. */
export async function keptMeshPort(file: string): Promise<number> {
  const port = readPort(file)
  try {
    await checkPortIsFree('127.0.0.1', port)
    return port
  } catch {
    return 0
  }
}

/** @param meshAddress `127.0.0.1:40123` */
export function keepMeshPort(file: string, meshAddress: string): void {
  writeFileAtomically(file, `${meshAddress.split(':').at(-1)}\n`, 0o600)
}

function readPort(file: string): number {
  try {
    const text = readFileSync(file, 'utf8').trim()
    const port = /^[1-9][0-9]{0,4}$/.test(text) ? Number(text) : 0
    return port <= portMax ? port : 0
  } catch {
    return 0
  }
}
