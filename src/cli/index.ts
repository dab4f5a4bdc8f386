/**
 * cli: commands and composition roots.
 * What tools need of it: the commands as data, from which the reference of options is made.
 */
export { commands } from './commands/all.ts'
export type { CommandDescription } from './options/command.ts'
export type { OptionDefinition, OptionTable } from './options/option.ts'
