/**
 * `policy.yaml` → the policy that a gateway follows.
 *
 * All faults are told at once; each names file, line and column, and says how to mend it. A policy
 * that is not wholly understood is refused: half of one would let in whom it is to keep out.
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
import { FaultList } from '../options/fault-list.ts'
import {
  type Entry,
  entriesOf,
  type LocatedYaml,
  parseYaml,
  placeOf,
  readValue,
  type YamlText,
} from '../options/located-yaml.ts'
import type { OptionTable, OptionValue, OptionValues } from '../options/option.ts'
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

/** What was faulty has what stands where nothing is said, so that the rest is looked at as well. */
interface Source extends LocatedYaml {
  readonly faults: FaultList
}

/** @throws IsochroneError `invalid_configuration` */
export function parsePolicy(text: YamlText): RoutingPolicy {
  const faults = new FaultList(text.file)
  const policy = policyIn(text, { ...parseYaml(text), faults })
  faults.throwAny()
  return policy
}

function policyIn(source: YamlText, yaml: Source): RoutingPolicy {
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
    return entry === undefined ? [] : (insideOf(entry, yaml) ?? [])
  }
  const named = { key: top.values.name, where: placeOf(top.entryOf('name'), yaml) }
  checkName(named, 'a policy', yaml)
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

function parseClasses(entries: readonly Entry[], yaml: Source): readonly HardwareClass[] {
  checkCount(entries, { most: classesMax, what: 'classes' }, yaml)
  return entries.map((entry) => {
    checkName(entry, 'a class', yaml)
    const meaning = meanings.get(entry.key)
    if (meaning !== undefined) {
      const mend = 'take another name'
      yaml.faults.note(`${entry.where}: "${entry.key}" always means ${meaning}; ${mend}`)
    }
    const about = { yaml, about: `the class "${entry.key}"` }
    const { values } = fieldsOf(classFields, insideOf(entry, yaml) ?? [], about)
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
  yaml: Source,
): readonly Tier[] {
  checkCount(entries, { most: tiersMax, what: 'tiers' }, yaml)
  const takenBy = new Map<string, string>()
  return entries.map((entry) => {
    checkName(entry, 'a tier', yaml)
    const tier = parseTier(entry, classes, yaml)
    for (const model of tier.models) {
      const other = takenBy.get(model)
      if (other !== undefined) {
        const mend = 'a model is in one tier; take it out of one of them'
        yaml.faults.note(
          `${entry.where}: the model "${model}" is also in the tier "${other}"; ${mend}`,
        )
      }
      takenBy.set(model, tier.name)
    }
    return tier
  })
}

function parseTier(entry: Entry, classes: readonly HardwareClass[], yaml: Source): Tier {
  const about = `the tier "${entry.key}"`
  const found = insideOf(entry, yaml)
  const inside = found ?? []
  const { values, entryOf, isFaulty } = fieldsOf(tierFields, inside, {
    yaml,
    about,
    besides: ['classes'],
  })
  // Where something else is wrong with it, that is what there is to mend.
  if (values.models.length === 0 && found !== undefined && !isFaulty) {
    const place = inside.some(({ key }) => key === 'models') ? entryOf('models').where : entry.where
    yaml.faults.note(
      `${place}: ${about} names no model; add, for example, models: [isochrone-tiny]`,
    )
  }
  const digests = values.digests.filter(isModelDigest)
  for (const digest of values.digests) {
    if (isModelDigest(digest)) continue
    const form = 'a digest is "sha256:" and 64 hexadecimal digits, as isochrone models list shows'
    yaml.faults.note(`${placeOf(entryOf('digests'), yaml)}: "${digest}" is no digest; ${form}`)
  }
  const rule = ruleFrom(values)
  const own = inside.find(({ key }) => key === 'classes')
  const known = [...classes.map(({ name }) => name), otherClass, upstreamClass]
  const ownClasses = own === undefined ? [] : (insideOf(own, yaml) ?? [])
  const classRules = ownClasses.map((one): ClassRule => {
    if (!known.includes(one.key)) {
      const near = suggest(one.key, known)
      const mend = `describe it under "classes", or take one of ${known.join(', ')}`
      yaml.faults.note(`${one.where}: there is no class "${one.key}"${near}; ${mend}`)
    }
    const inClass = { yaml, about: `the class "${one.key}" of ${about}` }
    const given = fieldsOf(ruleFields, insideOf(one, yaml) ?? [], { ...inClass, values })
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
  readonly yaml: Source
  /** What the fields belong to, as in `unknown key "x" in …`. */
  readonly about: string
  /** Keys that are read elsewhere. */
  readonly besides?: readonly string[]
  /** What stands where nothing is said; absent: each field's own. */
  readonly values?: Readonly<Record<string, unknown>>
}

interface Fields<TTable extends OptionTable> {
  readonly values: OptionValues<TTable>
  /** One of them, or the whole of it. */
  readonly isFaulty: boolean
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
  let isFaulty = false
  for (const entry of entries) {
    if (besides.includes(entry.key)) continue
    const value = yaml.faults.attempt(() => valueIn(table, entry, { yaml, about, besides }))
    if (value === undefined) isFaulty = true
    else values[entry.key] = value
  }
  const entryOf = (name: string) =>
    entries.find(({ key }) => key === name) ?? { key: name, where: '', value: null }
  return { values: values as OptionValues<TTable>, isFaulty, entryOf }
}

/** @throws IsochroneError `invalid_configuration` */
function valueIn(
  table: OptionTable,
  entry: Entry,
  { about, besides = [], yaml }: Reading,
): OptionValue {
  const { key, where } = entry
  const option = Object.hasOwn(table, key) ? table[key] : undefined
  if (option === undefined) {
    const near = suggest(key, [...Object.keys(table), ...besides])
    throw usageError(`${where}: unknown key "${key}" in ${about}${near}; ${reference}`)
  }
  const value = readValue(option, entry, yaml)
  if (Array.isArray(value) && value.length > namesPerListMax) {
    const most = `at most ${namesPerListMax} names`
    throw usageError(`${placeOf(entry, yaml)}: "${key}" may have ${most}`)
  }
  return value
}

/** undefined: it is no map. */
function insideOf({ value }: Entry, yaml: Source): readonly Entry[] | undefined {
  return yaml.faults.attempt(() => entriesOf(value, yaml))
}

const namePattern = /^[a-z0-9][a-z0-9.-]*$/

function checkName({ key, where }: Pick<Entry, 'key' | 'where'>, what: string, yaml: Source): void {
  if (namePattern.test(key) && key.length <= nameBytesMax) return
  const form = `up to ${nameBytesMax} of a-z, 0-9, "-" and ".", and begins with a letter or digit`
  yaml.faults.note(`${where}: "${key}" cannot name ${what}; a name has ${form}`)
}

function checkCount(
  entries: readonly Entry[],
  { most, what }: { readonly most: number; readonly what: string },
  yaml: Source,
): void {
  const first = entries[most]
  if (first === undefined) return
  yaml.faults.note(`${first.where}: there may be at most ${most} ${what}`)
}
