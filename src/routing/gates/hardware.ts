/** The worker is of a class of hardware that the model’s tier allows, by what it states. */
import { classInWords } from '../machine-words.ts'
import { ruleOf, unknownClass } from '../tier.ts'
import type { Gate } from './gate.ts'

export const hardwareGate: Gate = {
  name: 'hardware',
  temporary: false,
  applies: ({ tier }) => tier !== null && tier.classes.length > 0,
  check: ({ hardwareClass, machine }, { tier }) =>
    tier === null || ruleOf(tier, hardwareClass) !== undefined
      ? undefined
      : [hardwareClass, machine],
  required({ policy, tier }) {
    const names = tier?.classes.map(({ hardwareClass }) => {
      const asked = policy.hardwareClasses.find(({ name }) => name === hardwareClass)
      return classInWords(hardwareClass, asked)
    })
    return `hardware of class ${names?.join(' or ')} for the tier ${tier?.name}`
  },
  actual(fact) {
    const [name, machine] = Array.isArray(fact) ? fact : [fact, '']
    const stated = machine === '' ? '' : ` (${machine})`
    return name === unknownClass
      ? `class unknown: it does not state the memory of its GPU${stated}`
      : `class ${name}, by its own statement${stated}`
  },
}
