/**
 * The worker’s answers come at the floor of the model’s tier, by what this gateway measured: it is
 * shut out when even the upper bound of its rate is below. What it says of itself does not count,
 * so that whoever was not seen yet is given a trial.
 */
import { plural } from '../explain/reason.ts'
import { ruleOf, type Tier, type TierRule } from '../tier.ts'
import { isBelowFloor } from '../tier-fit.ts'
import type { Gate } from './gate.ts'

export const throughputGate: Gate = {
  name: 'throughput',
  temporary: false,
  applies: ({ tier }) => tier !== null && hasFloor(tier),
  check({ evidence, hardwareClass }, { tier }) {
    const { rate } = evidence
    if (tier === null || rate === undefined) return undefined
    const isBelow = isBelowFloor(ruleOf(tier, hardwareClass), evidence)
    return isBelow ? [rate.upper, rate.samples] : undefined
  },
  required: ({ tier }) => (tier === null ? '' : `${floorInWords(tier)}, as measured here`),
  actual(fact) {
    if (!Array.isArray(fact)) return `${fact}`
    const [upper = 0, samples = 0] = fact as readonly number[]
    // Rounded down, so that what is below the floor reads so.
    const most = inTokens(Math.floor(upper * 100) / 100)
    return `at most ${most}, by ${plural(Math.max(1, Math.round(samples)), 'answer')}`
  },
}

function hasFloor({ rule, classes }: Tier): boolean {
  if (classes.length === 0) return rule.tokensPerSecondMin > 0
  return classes.some(({ tokensPerSecondMin }) => tokensPerSecondMin > 0)
}

function floorInWords({ rule, classes }: Tier): string {
  const least = ({ tokensPerSecondMin }: TierRule) => `at least ${inTokens(tokensPerSecondMin)}`
  const distinct = new Set(classes.map(least))
  if (distinct.size <= 1) return least(classes[0] ?? rule)
  return classes.map((one) => `${least(one)} of class ${one.hardwareClass}`).join(', ')
}

function inTokens(perSecond: number): string {
  return `${Number(perSecond.toFixed(2))} tokens/s`
}
