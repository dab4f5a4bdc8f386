/**
 * The keys of `policy.yaml`, section by section, as data: the parser, `isochrone policy check` and
 * the reference in `docs/policy.md` derive from it.
 */
import { defaultPolicy } from '../../routing/index.ts'
import { choice, decimal, integer, list, type OptionDefinition, text } from '../options/option.ts'

export const nameBytesMax = 63
const priceMax = 1_000_000_000

const price = (what: string): OptionDefinition<number | undefined> => ({
  kind: 'integer',
  help: `most that a million ${what} tokens may cost, micro-dollars`,
  default: undefined,
  defaultText: 'any price',
  min: 0,
  max: priceMax,
  placeholder: 'N',
})

const least = (help: string, placeholder: string, max: number) =>
  decimal(help, { default: 0, min: 0, max, placeholder, defaultText: 'nothing is asked' })

/** At the top of the file, beside the sections. */
export const policyFields = {
  name: text('what people call it; its version is this and a hash of all values', {
    default: 'policy',
    placeholder: 'NAME',
    lengthMax: nameBytesMax,
  }),
  'other-models': choice(
    'models that are in no tier: served with no further demands, or refused',
    ['serve', 'refuse'],
    'serve',
  ),
} as const

/** What is asked of a worker in a tier; a class of hardware may have its own. */
export const ruleFields = {
  'tokens-per-second': least(
    'floor of an answer’s rate, as this gateway measures it while a slot is free',
    'N',
    1e6,
  ),
  'prompt-price-max': price('prompt'),
  'completion-price-max': price('completion'),
} as const

export const tierFields = {
  models: {
    ...list('its models; a name that ends in * stands for all that begin so', 'NAMES'),
    defaultText: 'at least one',
  },
  digests: list('weights that count as these models', 'DIGESTS'),
  runtimes: list('what may run them, with or without the back end: onnx, onnx/cpu', 'NAMES'),
  quantisations: list('how the weights may be kept: float32, float16, int4', 'NAMES'),
  'memory-gib': least('least memory, for the weights and all besides the cache', 'GIB', 1e6),
  'kv-kib-per-token': least('memory besides for each token of prompt and answer', 'KIB', 1e6),
  ...ruleFields,
} as const

export const classFields = {
  gpu: list('words of which its GPU’s name has one; any: whatever its name is', 'WORDS'),
  'gpu-memory-gib': least('least memory of its GPU', 'GIB', 1e6),
  'memory-gib': least('least memory of the machine', 'GIB', 1e6),
  cores: least('least number of cores', 'N', 1e6),
  'memory-gb-per-second': least('least bandwidth of its memory, as it measured it', 'GB/S', 1e6),
} as const

const share = (help: string, byDefault: number) =>
  decimal(help, { default: byDefault, min: 0, max: 1, placeholder: 'SHARE' })
const ms = (help: string, byDefault: number) =>
  decimal(help, { default: byDefault, min: 0, max: 600_000, placeholder: 'MS' })
const count = (help: string, byDefault: number, max: number) =>
  decimal(help, { default: byDefault, min: 0, max, placeholder: 'N' })
const whole = (help: string, byDefault: number, max: number) =>
  integer(help, { default: byDefault, min: 0, max, placeholder: 'N' })

/** When a bill is false. */
export const settlementFields = {
  'overbilled-share-max': share(
    'a bill over what can have been delivered by more than this share of it',
    defaultPolicy.overbilledShareMax,
  ),
  'overbilled-tokens-max': whole(
    'and by more than so many tokens, is false: its node is quarantined, its earnings are held',
    defaultPolicy.overbilledTokensMax,
    1_000_000,
  ),
} as const

/** The numbers of a decision that no tier changes. */
export const routingFields = {
  'waiting-per-slot-max': count(
    'requests that may wait per slot before a worker counts as busy',
    defaultPolicy.waitingPerSlotMax,
    1_000,
  ),
  'queue-share-of-slack': share(
    'share of the time to spare for an objective that may pass in a queue',
    defaultPolicy.queueShareOfSlack,
  ),
  'reliability-margin': share(
    'differences in reliability below this are not worth a slower answer',
    defaultPolicy.reliabilityMargin,
  ),
  'same-speed-factor': decimal('workers within this factor of the fastest take turns', {
    default: defaultPolicy.sameSpeedFactor,
    min: 1,
    max: 100,
    placeholder: 'N',
  }),
  'same-speed-ms': ms('or within this time', defaultPolicy.sameSpeedMs),
  'soon-share': share(
    'or whose first token is predicted within this share of the objective for it',
    defaultPolicy.soonShare,
  ),
  'stay-factor': decimal(
    'who has read the beginning of a prompt stays one of them up to this much slower',
    { default: defaultPolicy.stayFactor, min: 1, max: 100, placeholder: 'N' },
  ),
  'affinity-load-max': count(
    'and while it has at most so many requests per slot more to do',
    defaultPolicy.affinityLoadMax,
    1_000,
  ),
  'exploration-share': share(
    'share of requests that may go to workers with a short record',
    defaultPolicy.explorationShare,
  ),
  'exploration-samples-max': whole(
    'from so many observations on a record stands for itself',
    defaultPolicy.explorationSamplesMax,
    100_000,
  ),
  'claim-samples': decimal('how many observations a worker’s own statement of its speed weighs', {
    default: defaultPolicy.claimSamples,
    // Where nothing was seen, something has to weigh.
    min: 0.1,
    max: 100_000,
    placeholder: 'N',
  }),
  'overstated-factor-max': decimal(
    'whose first tokens are later than stated by more than this is left out',
    { default: defaultPolicy.overstatedFactorMax, min: 1, max: 1_000, placeholder: 'N' },
  ),
  'overstated-ms': ms('and by more than this', defaultPolicy.overstatedMs),
  'overstated-samples-min': count(
    'after so many answers at least, older ones counting less',
    defaultPolicy.overstatedSamplesMin,
    100_000,
  ),
  'claim-kept-min': share(
    'least share of its stated rate that a worker keeps, where others keep all; 0: not asked',
    defaultPolicy.claimKeptMin,
  ),
  'assumed-round-trip-ms': ms('round trip of an unmeasured link', defaultPolicy.assumedRoundTripMs),
  'assumed-ttft-ms': ms(
    'time to the first token where nothing is known',
    defaultPolicy.assumedTtftMs,
  ),
  'assumed-tpot-ms': ms(
    'time per further token where nothing is known',
    defaultPolicy.assumedTpotMs,
  ),
  'assumed-completion-tokens': integer(
    'tokens an answer is taken to have, at most its limit; its time goes by those seen, if any',
    {
      default: defaultPolicy.assumedCompletionTokens,
      min: 1,
      max: 1_000_000,
      placeholder: 'N',
    },
  ),
  'rankings-max': whole('how many rankings a decision keeps', defaultPolicy.rankingsMax, 1_000),
  'rejections-max': whole(
    'how many rejections a decision keeps word by word',
    defaultPolicy.rejectionsMax,
    100_000,
  ),
} as const
