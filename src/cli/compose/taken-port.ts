/** That another program has a port, with the option that chooses another one. */
import { IsochroneError } from '../../protocol/index.ts'

export interface Place {
  readonly host: string
  readonly port: number
  /** That names the port: `mesh-port`. */
  readonly option: string
}

export function takenPort({ host, port, option }: Place, cause: unknown): IsochroneError {
  return new IsochroneError(
    'address_in_use',
    `port ${port} of ${host} is taken by another program; stop it, or choose another port with ` +
      `--${option} N (0 takes a free one)`,
    { detail: { host, port }, cause },
  )
}
