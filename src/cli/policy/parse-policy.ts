/**
 * `policy.yaml` → the policy that a gateway follows.
 *
 * Every fault names file, line and column, and says how to mend it. A policy that is not wholly
 * understood is refused: half of one would let in whom it is to keep out.
 */
import { isModelDigest } from '../../protocol/index.ts'
import {
  type ClassRule,
  type HardwareClass,
  otherClass,
  type PolicyValues,
  policyOf,
  type RoutingPolicy,
  type Tier,
  unknownClass,
  upstreamClass,
} from '../../routing/index.ts'
import {
  type Entry,
  entriesOf,
  type LocatedYaml,
  parseYaml,
  placeOf,
  readValue,
  type YamlText,
} from '../options/located-yaml.ts'
import type { OptionTable, OptionValues } from '../options/option.ts'
import { suggest } from '../options/suggestion.ts'
import { usageError } from '../options/usage-error.ts'
import {
  classFields,
  nameBytesMax,
  policyFields,
  routingFields,
  ruleFields,
  settlementFields,
  tierFields,
} from './policy-fields.ts'

const sectionNames = ['classes', 'tiers', 'routing', 'settlement'] as const
const reference = 'docs/policy.md lists them'
/** A decision looks at the rules of one tier; these bound what a file can make a gateway keep. */
const tiersMax = 200
const classesMax = 50
const namesPerListMax = 1_000

const gib = 1024 ** 3

/** @throws IsochroneError `invalid_configuration` */
export function parsePolicy(source: YamlText): RoutingPolicy {
  const yaml = parseYaml(source)
  const entries = entriesOf(yaml.root, yaml)
  if (entries.length === 0) {
    // An editor that is still writing shows an empty file for a moment.
    throw usageError(
      `${source.file}:1:1: holds no policy; "name: default" is one that asks nothing`,
    )
  }
  const top = fieldsOf(policyFields, entries, { yaml, about: 'a policy', besides: sectionNames })
  const section = (name: (typeof sectionNames)[number]) => {
    const entry = entries.find(({ key }) => key === name)
    return entry === undefined ? [] : entriesOf(entry.value, yaml)
  }
  checkName({ key: top.values.name, where: placeOf(top.entryOf('name'), yaml) }, 'a policy')
  const hardwareClasses = parseClasses(section('classes'), yaml)
  const tiers = parseTiers(section('tiers'), hardwareClasses, yaml)
  const numbers = fieldsOf(routingFields, section('routing'), { yaml, about: '"routing"' }).values
  const about = { yaml, about: '"settlement"' }
  const settlement = fieldsOf(settlementFields, section('settlement'), about).values
  return policyOf(top.values.name, {
    ...routingNumbers(numbers),
    overbilledShareMax: settlement['overbilled-share-max'],
    overbilledTokensMax: settlement['overbilled-tokens-max'],
    hardwareClasses,
    tiers,
    servesOtherModels: top.values['other-models'] === 'serve',
  })
}

type RoutingNumbers = Omit<
  PolicyValues,
  'hardwareClasses' | 'tiers' | 'servesOtherModels' | 'overbilledShareMax' | 'overbilledTokensMax'
>

function routingNumbers(numbers: OptionValues<typeof routingFields>): RoutingNumbers {
  return {
    waitingPerSlotMax: numbers['waiting-per-slot-max'],
    queueShareOfSlack: numbers['queue-share-of-slack'],
    reliabilityMargin: numbers['reliability-margin'],
    sameSpeedFactor: numbers['same-speed-factor'],
    sameSpeedMs: numbers['same-speed-ms'],
    soonShare: numbers['soon-share'],
    stayFactor: numbers['stay-factor'],
    affinityLoadMax: numbers['affinity-load-max'],
    explorationShare: numbers['exploration-share'],
    explorationSamplesMax: numbers['exploration-samples-max'],
    claimSamples: numbers['claim-samples'],
    overstatedFactorMax: numbers['overstated-factor-max'],
    overstatedMs: numbers['overstated-ms'],
    overstatedSamplesMin: numbers['overstated-samples-min'],
    claimKeptMin: numbers['claim-kept-min'],
    assumedRoundTripMs: numbers['assumed-round-trip-ms'],
    assumedTtftMs: numbers['assumed-ttft-ms'],
    assumedTpotMs: numbers['assumed-tpot-ms'],
    assumedCompletionTokens: numbers['assumed-completion-tokens'],
    rankingsMax: numbers['rankings-max'],
    rejectionsMax: numbers['rejections-max'],
  }
}

/** Names of classes that no file describes. */
const meanings: ReadonlyMap<string, string> = new Map([
  [upstreamClass, 'a server without a node'],
  [otherClass, 'a machine that fits no class'],
  [unknownClass, 'a machine whose GPU’s memory is not known'],
])

function parseClasses(entries: readonly Entry[], yaml: LocatedYaml): readonly HardwareClass[] {
  checkCount(entries, classesMax, 'classes')
  return entries.map((entry) => {
    checkName(entry, 'a class')
    const meaning = meanings.get(entry.key)
    if (meaning !== undefined) {
      throw usageError(`${entry.where}: "${entry.key}" always means ${meaning}; take another name`)
    }
    const about = { yaml, about: `the class "${entry.key}"` }
    const { values } = fieldsOf(classFields, entriesOf(entry.value, yaml), about)
    return {
      name: entry.key,
      gpu: values.gpu.map((word) => word.toLowerCase()),
      gpuMemoryBytes: values['gpu-memory-gib'] * gib,
      memoryBytes: values['memory-gib'] * gib,
      cores: values.cores,
      memoryBandwidthBytesPerSecond: values['memory-gb-per-second'] * 1e9,
    }
  })
}

function parseTiers(
  entries: readonly Entry[],
  classes: readonly HardwareClass[],
  yaml: LocatedYaml,
): readonly Tier[] {
  checkCount(entries, tiersMax, 'tiers')
  const takenBy = new Map<string, string>()
  return entries.map((entry) => {
    checkName(entry, 'a tier')
    const tier = parseTier(entry, classes, yaml)
    for (const model of tier.models) {
      const other = takenBy.get(model)
      if (other !== undefined) {
        const mend = 'a model is in one tier; take it out of one of them'
        throw usageError(
          `${entry.where}: the model "${model}" is also in the tier "${other}"; ${mend}`,
        )
      }
      takenBy.set(model, tier.name)
    }
    return tier
  })
}

function parseTier(entry: Entry, classes: readonly HardwareClass[], yaml: LocatedYaml): Tier {
  const about = `the tier "${entry.key}"`
  const inside = entriesOf(entry.value, yaml)
  const { values, entryOf } = fieldsOf(tierFields, inside, { yaml, about, besides: ['classes'] })
  if (values.models.length === 0) {
    const place = inside.some(({ key }) => key === 'models') ? entryOf('models').where : entry.where
    throw usageError(
      `${place}: ${about} names no model; add, for example, models: [isochrone-tiny]`,
    )
  }
  const digests = values.digests.map((digest) => {
    if (isModelDigest(digest)) return digest
    const form = 'a digest is "sha256:" and 64 hexadecimal digits, as isochrone models list shows'
    throw usageError(`${placeOf(entryOf('digests'), yaml)}: "${digest}" is no digest; ${form}`)
  })
  const rule = ruleFrom(values)
  const own = inside.find(({ key }) => key === 'classes')
  const known = [...classes.map(({ name }) => name), otherClass, upstreamClass]
  const classRules = entriesOf(own?.value ?? null, yaml).map((one): ClassRule => {
    if (!known.includes(one.key)) {
      const near = suggest(one.key, known)
      const mend = `describe it under "classes", or take one of ${known.join(', ')}`
      throw usageError(`${one.where}: there is no class "${one.key}"${near}; ${mend}`)
    }
    const inClass = { yaml, about: `the class "${one.key}" of ${about}` }
    const given = fieldsOf(ruleFields, entriesOf(one.value, yaml), { ...inClass, values })
    return { hardwareClass: one.key, ...ruleFrom(given.values) }
  })
  return {
    name: entry.key,
    models: values.models,
    digests,
    runtimes: values.runtimes,
    quantisations: values.quantisations,
    memoryBytes: values['memory-gib'] * gib,
    kvBytesPerToken: values['kv-kib-per-token'] * 1024,
    rule,
    classes: classRules,
  }
}

function ruleFrom(values: OptionValues<typeof ruleFields>): Tier['rule'] {
  return {
    tokensPerSecondMin: values['tokens-per-second'],
    promptPriceMax: values['prompt-price-max'] ?? null,
    completionPriceMax: values['completion-price-max'] ?? null,
  }
}

interface Reading {
  readonly yaml: LocatedYaml
  /** What the fields belong to, as in `unknown key "x" in …`. */
  readonly about: string
  /** Keys that are read elsewhere. */
  readonly besides?: readonly string[]
  /** What stands where nothing is said; absent: each field's own. */
  readonly values?: Readonly<Record<string, unknown>>
}

interface Fields<TTable extends OptionTable> {
  readonly values: OptionValues<TTable>
  /** Of a field that is not there: the place of nothing, which no fault is told about. */
  entryOf(name: keyof TTable & string): Entry
}

function fieldsOf<TTable extends OptionTable>(
  table: TTable,
  entries: readonly Entry[],
  { yaml, about, besides = [], values: otherwise }: Reading,
): Fields<TTable> {
  const values: Record<string, unknown> = {}
  for (const [name, { default: byDefault }] of Object.entries(table)) {
    values[name] = otherwise === undefined ? byDefault : otherwise[name]
  }
  for (const entry of entries) {
    if (besides.includes(entry.key)) continue
    const option = Object.hasOwn(table, entry.key) ? table[entry.key] : undefined
    if (option === undefined) {
      const near = suggest(entry.key, [...Object.keys(table), ...besides])
      throw usageError(
        `${entry.where}: unknown key "${entry.key}" in ${about}${near}; ${reference}`,
      )
    }
    const value = readValue(option, entry, yaml)
    if (Array.isArray(value) && value.length > namesPerListMax) {
      const most = `at most ${namesPerListMax} names`
      throw usageError(`${placeOf(entry, yaml)}: "${entry.key}" may have ${most}`)
    }
    values[entry.key] = value
  }
  const entryOf = (name: string) =>
    entries.find(({ key }) => key === name) ?? { key: name, where: '', value: null }
  return { values: values as OptionValues<TTable>, entryOf }
}

const namePattern = /^[a-z0-9][a-z0-9.-]*$/

function checkName({ key, where }: Pick<Entry, 'key' | 'where'>, what: string): void {
  if (namePattern.test(key) && key.length <= nameBytesMax) return
  const form = `up to ${nameBytesMax} of a-z, 0-9, "-" and ".", and begins with a letter or digit`
  throw usageError(`${where}: "${key}" cannot name ${what}; a name has ${form}`)
}

function checkCount(entries: readonly Entry[], most: number, what: string): void {
  const first = entries[most]
  if (first === undefined) return
  throw usageError(`${first.where}: there may be at most ${most} ${what}`)
}
