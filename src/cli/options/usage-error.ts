/** A mistake in what the person gave: flags, variables or configuration. Exit code 2. */
import { IsochroneError } from '../../protocol/index.ts'

export function usageError(message: string): IsochroneError {
  return new IsochroneError('invalid_configuration', message)
}
