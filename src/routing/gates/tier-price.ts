/** Neither price is over what the policy pays for the worker’s class of hardware in this tier. */
import { ruleOf, type TierRule } from '../tier.ts'
import { isTooDear } from '../tier-fit.ts'
import type { Gate } from './gate.ts'

export const tierPriceGate: Gate = {
  name: 'tier-price',
  temporary: false,
  applies: ({ tier }) => tier !== null && (isCapped(tier.rule) || tier.classes.some(isCapped)),
  check({ offer, hardwareClass }, { tier }) {
    const rule = tier === null ? undefined : ruleOf(tier, hardwareClass)
    if (rule === undefined || offer === null) return undefined
    return isTooDear(rule, offer) ? [offer.promptPrice, offer.completionPrice] : undefined
  },
  required({ tier }) {
    if (tier === null) return ''
    const { classes, name, rule } = tier
    const distinct = new Set(classes.map(capInWords))
    const caps =
      distinct.size <= 1
        ? capInWords(classes[0] ?? rule)
        : classes.map((one) => `${one.hardwareClass}: ${capInWords(one)}`).join('; ')
    return `${caps} per million tokens in the tier ${name}`
  },
  actual: (fact) =>
    Array.isArray(fact)
      ? `${fact[0]} µ$ (prompt) and ${fact[1]} µ$ (completion) per million tokens`
      : `${fact}`,
}

function isCapped({ promptPriceMax, completionPriceMax }: TierRule): boolean {
  return promptPriceMax !== null || completionPriceMax !== null
}

function capInWords({ promptPriceMax, completionPriceMax }: TierRule): string {
  const parts: string[] = []
  if (promptPriceMax !== null) parts.push(`${promptPriceMax} µ$ (prompt)`)
  if (completionPriceMax !== null) parts.push(`${completionPriceMax} µ$ (completion)`)
  return parts.length === 0 ? 'any price' : `at most ${parts.join(' and ')}`
}
