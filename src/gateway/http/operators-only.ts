/** What only an operator's key may ask for. */
import { IsochroneError } from '../../protocol/index.ts'

export interface OperatorModules {
  /** Makes a key, where whoever asks is at this machine; undefined: it may be far away. */
  readonly keyCommand?: string | undefined
}

/** @param what is for operators, as a sentence */
export function operatorsOnly(what: string, { keyCommand }: OperatorModules): IsochroneError {
  const mend =
    keyCommand === undefined
      ? 'Whoever runs this gateway can make one.'
      : `On this machine one is made with: ${keyCommand} --operator`
  return new IsochroneError('permission_denied', `${what} ${mend}`)
}
