/** The worker is of a class of hardware that the model’s tier allows, by what it states. */
import { ruleOf, unknownClass } from '../tier.ts'
import type { Gate } from './gate.ts'

export const hardwareGate: Gate = {
  name: 'hardware',
  temporary: false,
  applies: ({ tier }) => tier !== null && tier.classes.length > 0,
  check: ({ hardwareClass }, { tier }) =>
    tier === null || ruleOf(tier, hardwareClass) !== undefined ? undefined : hardwareClass,
  required({ tier }) {
    const names = tier?.classes.map((one) => one.hardwareClass) ?? []
    return `hardware of class ${names.join(' or ')} for the tier ${tier?.name}`
  },
  actual: (fact) =>
    fact === unknownClass
      ? 'class unknown: it does not state the memory of its GPU'
      : `class ${fact}, by its own statement`,
}
