/** What a policy means, for people. */
import {
  type HardwareClass,
  otherClass,
  type RoutingPolicy,
  type Tier,
  type TierRule,
} from '../../routing/index.ts'
import { renderTable } from '../terminal/table.ts'
import type { Terminal } from '../terminal/terminal.ts'

const gib = 1024 ** 3
const nothing = '–'

export function renderPolicy(
  policy: RoutingPolicy,
  { style, width }: Pick<Terminal, 'style' | 'width'>,
): string {
  const look = { paintTitle: style.bold, width }
  const parts = [`${style.bold('Policy')} ${policy.version}\n`]
  const others = policy.servesOtherModels
    ? 'Models in no tier are served; nothing more is asked of their nodes.\n'
    : 'Models in no tier are refused.\n'
  if (policy.hardwareClasses.length > 0) {
    parts.push(renderTable(classColumns, policy.hardwareClasses.map(classRow), look))
    parts.push(`A node is of the first class that it states to meet, else of "${otherClass}".\n`)
  }
  if (policy.tiers.length > 0) {
    parts.push(renderTable(tierColumns, policy.tiers.map(tierRow), look))
    parts.push(renderTable(ruleColumns, policy.tiers.flatMap(ruleRows), look))
  }
  return [...parts, `${others}${falseBills(policy)}`].join('\n')
}

function falseBills({ overbilledShareMax, overbilledTokensMax }: RoutingPolicy): string {
  const share = rounded(overbilledShareMax * 100)
  const most = `${share} % and ${overbilledTokensMax} tokens`
  return `A bill is false that is over what can be by more than ${most}.\n`
}

const classColumns = [
  { title: 'CLASS' },
  { title: 'GPU' },
  { title: 'GPU MEMORY', align: 'right' },
  { title: 'MEMORY', align: 'right' },
  { title: 'CORES', align: 'right' },
  { title: 'BANDWIDTH', align: 'right' },
] as const

function classRow(one: HardwareClass): readonly string[] {
  const gb = one.memoryBandwidthBytesPerSecond / 1e9
  return [
    one.name,
    one.gpu.join(' or ') || nothing,
    inGib(one.gpuMemoryBytes),
    inGib(one.memoryBytes),
    one.cores === 0 ? nothing : `${one.cores}`,
    gb === 0 ? nothing : `${rounded(gb)} GB/s`,
  ]
}

const tierColumns = [
  { title: 'TIER' },
  { title: 'MEMORY', align: 'right' },
  { title: 'PER TOKEN', align: 'right' },
  { title: 'RUNTIMES' },
  { title: 'WEIGHTS' },
  { title: 'MODELS' },
] as const

function tierRow(tier: Tier): readonly string[] {
  const weights = [...tier.quantisations, ...tier.digests.map((one) => one.slice(0, 19))]
  const kib = tier.kvBytesPerToken / 1024
  return [
    tier.name,
    inGib(tier.memoryBytes),
    kib === 0 ? nothing : `${rounded(kib)} KiB`,
    tier.runtimes.join(', ') || 'any',
    weights.join(', ') || 'any',
    tier.models.join(', '),
  ]
}

const ruleColumns = [
  { title: 'TIER' },
  { title: 'CLASS' },
  { title: 'FLOOR', align: 'right' },
  { title: 'PROMPT AT MOST', align: 'right' },
  { title: 'COMPLETION AT MOST', align: 'right' },
] as const

function ruleRows({ name, classes, rule }: Tier): readonly (readonly string[])[] {
  if (classes.length === 0) return [[name, 'any', ...ruleCells(rule)]]
  return classes.map((one) => [name, one.hardwareClass, ...ruleCells(one)])
}

function ruleCells(rule: TierRule): readonly string[] {
  const { tokensPerSecondMin, promptPriceMax, completionPriceMax } = rule
  const price = (most: number | null) => (most === null ? nothing : `${most} µ$/M`)
  return [
    tokensPerSecondMin === 0 ? nothing : `${rounded(tokensPerSecondMin)} tokens/s`,
    price(promptPriceMax),
    price(completionPriceMax),
  ]
}

function inGib(bytes: number): string {
  return bytes === 0 ? nothing : `${rounded(bytes / gib)} GiB`
}

function rounded(value: number): string {
  return `${Number(value.toPrecision(4))}`
}
