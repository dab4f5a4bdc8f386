/** Options that several commands have, defined once. */
import { defaultClusterRules } from '../../mesh/index.ts'
import { choice, flag, integer, list, text } from './option.ts'

/** Names travel in every record; well below what a message between peers may hold. */
const nameBytesMax = 64

export const dataOption = text('folder for keys, models and records', {
  default: '.isochrone',
  placeholder: 'DIR',
})

export const configOption = text('configuration file; "none" reads no file', {
  placeholder: 'FILE',
  defaultText: 'isochrone.yaml if it is there',
})

export const jsonOption = flag('print JSON for programs instead of text for people')

export const logLevelOption = choice(
  'how much to log on standard error, as lines of JSON',
  ['debug', 'info', 'warn', 'error', 'silent'],
  'info',
)

/** How a client command finds its gateway. */
export const clientOptions = {
  url: text('address of the gateway', {
    placeholder: 'URL',
    defaultText: 'the one that runs from the data folder',
  }),
  'api-key': text('API key; better given as a variable', {
    placeholder: 'KEY',
    defaultText: 'the local key of the data folder, for its own gateway',
  }),
  data: dataOption,
  json: jsonOption,
  config: configOption,
}

export const policyOption = text('tiers of models and what they ask; read again when it changes', {
  placeholder: 'FILE',
  defaultText: 'none: every node that offers a model may serve it',
})

export const clusterBoundOption = integer('bound of a cluster’s round trips, 95th percentile', {
  default: defaultClusterRules.boundMs,
  min: 1,
  max: 1_000,
  placeholder: 'MS',
})

export const emulatedPathOption = list(
  'emulate a wide area: one-way delay to this address, where it is dialled; repeatable',
  'IP:PORT=MS',
)

export const networkOption = text(
  'name of the network; nodes and gateways of another are refused',
  {
    default: 'isochrone',
    placeholder: 'NAME',
    lengthMax: nameBytesMax,
  },
)

export const regionOption = text('declared region, for example eu-west', {
  default: '',
  placeholder: 'NAME',
  defaultText: 'none',
  lengthMax: nameBytesMax,
})

export const locationOption = text('where it is; others learn the cell of 40 km around it', {
  default: '',
  placeholder: 'LAT,LNG',
  defaultText: 'not declared',
})

/** Micro-dollars: whole numbers, so that sums are exact. */
export const priceOption = (what: string) =>
  integer(`price in micro-dollars per million ${what} tokens`, {
    default: 0,
    min: 0,
    max: 1_000_000_000,
    placeholder: 'N',
  })

export const upstreamKeyOption = text(
  'API key for the upstream server; better given as a variable',
  {
    placeholder: 'KEY',
  },
)
