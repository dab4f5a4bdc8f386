/** Options: one table per command, three sources, and errors that say where and how to mend. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { hasCode, IsochroneError } from '../../protocol/index.ts'
import { commands } from '../commands/all.ts'
import { plainStyle } from '../terminal/terminal.ts'
import { parseArguments } from './arguments.ts'
import { type CommandDescription, defineCommand } from './command.ts'
import { type Configuration, parseConfiguration } from './configuration.ts'
import { renderCommandHelp } from './help.ts'
import {
  choice,
  decimal,
  flag,
  integer,
  list,
  type OptionValue,
  switchedOff,
  text,
  variableOf,
} from './option.ts'
import { resolveOptions } from './resolve.ts'
import { nearestOf } from './suggestion.ts'

const sample = defineCommand({
  name: 'sample',
  summary: 'a command for tests',
  arguments: [{ name: 'THING', help: 'what', required: false }],
  options: {
    port: integer('a port', { default: 8080, min: 0, max: 65_535, placeholder: 'PORT' }),
    ratio: decimal('a ratio', { default: 0.5, min: 0, max: 1, placeholder: 'R' }),
    name: text('a name', { placeholder: 'NAME' }),
    engine: choice('an engine', ['onnx', 'upstream'], 'onnx'),
    region: text('a region', { placeholder: 'NAME', lengthMax: 64 }),
    wan: switchedOff('no wide area', 'it is on'),
    json: flag('as JSON'),
    join: list('addresses', 'ADDRESS'),
    config: text('the file', { placeholder: 'FILE' }),
  },
  examples: [{ command: 'isochrone sample', meaning: 'an example' }],
  run: async () => 0,
})

interface Given {
  readonly args?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  readonly yaml?: string
}

function resolve({ args = [], env = {}, yaml }: Given): Readonly<Record<string, OptionValue>> {
  const configuration: Configuration =
    yaml === undefined
      ? new Map()
      : parseConfiguration({ file: 'isochrone.yaml', text: yaml }, [sample])
  const { flags } = parseArguments(sample, args)
  return resolveOptions(sample, { flags, env, configuration })
}

function faultOf(given: Given): string {
  try {
    resolve(given)
  } catch (error) {
    assert.ok(error instanceof IsochroneError)
    assert.equal(error.code, 'invalid_configuration')
    return error.message
  }
  throw new assert.AssertionError({ message: 'it was accepted' })
}

describe('the sources of an option', () => {
  test('flags win over variables, variables over the file, the file over the default', () => {
    const yaml = 'sample:\n  port: 1\n'
    const env = { ISOCHRONE_PORT: '2' }
    assert.equal(resolve({})['port'], 8080)
    assert.equal(resolve({ yaml })['port'], 1)
    assert.equal(resolve({ yaml, env })['port'], 2)
    assert.equal(resolve({ yaml, env, args: ['--port', '3'] })['port'], 3)
    assert.equal(resolve({ yaml, env, args: ['--port=4'] })['port'], 4)
  })

  test('a switch that is on by default goes off by --no-, a variable or the file', () => {
    assert.equal(resolve({})['wan'], true)
    assert.equal(resolve({ args: ['--no-wan'] })['wan'], false)
    assert.equal(resolve({ env: { ISOCHRONE_WAN: 'off' } })['wan'], false)
    assert.equal(resolve({ yaml: 'sample: { wan: false }' })['wan'], false)
    assert.equal(resolve({ yaml: 'sample: { wan: false }', args: ['--wan'] })['wan'], true)
  })

  test('a list gathers flags, splits a variable, and is a list in the file', () => {
    assert.deepEqual(resolve({ args: ['--join', 'a', '--join', 'b'] })['join'], ['a', 'b'])
    assert.deepEqual(resolve({ env: { ISOCHRONE_JOIN: 'a, b' } })['join'], ['a', 'b'])
    assert.deepEqual(resolve({ yaml: 'sample:\n  join: [a, b]' })['join'], ['a', 'b'])
    assert.deepEqual(resolve({ yaml: 'sample:\n  join: a' })['join'], ['a'])
  })

  test('a number stays a text where a text is wanted', () => {
    assert.equal(resolve({ yaml: 'sample:\n  name: 0123' })['name'], '0123')
  })

  test('whatever the flags, parsing ends with values or a fault for a person', () => {
    const word = fc.oneof(
      fc.string(),
      fc.constantFrom(
        '--port',
        '--port=1',
        '--no-wan',
        '--',
        '--name',
        '-x',
        '--join',
        '--no-port',
      ),
    )
    fc.assert(
      fc.property(fc.array(word, { maxLength: 6 }), (args) => {
        try {
          resolve({ args })
        } catch (error) {
          assert.ok(hasCode(error, 'invalid_configuration'), String(error))
        }
      }),
    )
  })

  test('whatever the file, parsing ends with values or a fault that names a line', () => {
    const part = fc.constantFrom(
      ...['sample', ':', ' ', '\n', '  ', '- ', 'port', '1', '{', '}', '[', '"', '&a', '*a', '!!x'],
      ...['<<', '|', '>', '#', '\t', '\u0000', 'é'],
    )
    fc.assert(
      fc.property(fc.array(part, { maxLength: 30 }), (parts) => {
        try {
          resolve({ yaml: parts.join('') })
        } catch (error) {
          assert.ok(hasCode(error, 'invalid_configuration'), String(error))
          assert.match((error as Error).message, /^isochrone\.yaml:\d+:\d+: /)
        }
      }),
    )
  })
})

describe('faults of options', () => {
  test('an unknown flag brings the nearest known one', () => {
    assert.match(faultOf({ args: ['--prot', '1'] }), /unknown option --prot .*"--port"/)
    assert.match(faultOf({ args: ['--no-wam'] }), /"--no-wan"/)
    assert.doesNotMatch(faultOf({ args: ['--zzzzzz'] }), /did you mean/)
  })

  test('values are checked in every source, and the source is named', () => {
    assert.match(
      faultOf({ args: ['--port', 'eighty'] }),
      /^--port is "eighty", but must be a whole/,
    )
    assert.match(faultOf({ args: ['--port', '70000'] }), /at most 65535/)
    assert.match(faultOf({ env: { ISOCHRONE_PORT: '-1' } }), /ISOCHRONE_PORT is -1.*at least 0/)
    assert.match(faultOf({ args: ['--engine', 'onxx'] }), /one of onnx, upstream.*"onnx"/)
    assert.match(faultOf({ args: ['--port', '1', '--port', '2'] }), /given 2 times/)
    assert.match(faultOf({ args: ['--port'] }), /needs a value/)
    assert.match(faultOf({ args: ['--port', '--json'] }), /needs a value/)
    assert.match(faultOf({ args: ['--region', 'r'.repeat(65)] }), /longer than 64 bytes/)
    assert.match(faultOf({ args: ['a', 'b'] }), /unexpected argument "b"/)
  })

  test('faults of the file name line and column and suggest', () => {
    assert.match(
      faultOf({ yaml: 'sample:\n  prot: 1\n' }),
      /^isochrone\.yaml:2:3: unknown key "prot" in section "sample" \(did you mean "port"\?\)/,
    )
    assert.match(faultOf({ yaml: 'smaple:\n  port: 1\n' }), /^isochrone\.yaml:1:1: .*"sample"/)
    assert.match(
      faultOf({ yaml: 'sample:\n  port: "1"\n' }),
      /^isochrone\.yaml:2:9: "port" must be/,
    )
    assert.match(faultOf({ yaml: 'sample:\n  port: 70000\n' }), /^isochrone\.yaml:2:9: .*at most/)
    assert.match(faultOf({ yaml: 'sample:\n  port: [1\n' }), /^isochrone\.yaml:3:1: /)
    assert.match(faultOf({ yaml: '- a\n' }), /^isochrone\.yaml:1:1: must be a map/)
    assert.match(faultOf({ yaml: 'sample:\n  config: x\n' }), /^isochrone\.yaml:2:3: unknown key/)
  })

  test('suggestions forgive a swap, a missing and a wrong letter, and no more', () => {
    assert.equal(nearestOf('prot', ['port', 'host']), 'port')
    assert.equal(nearestOf('gatway', ['gateway', 'node']), 'gateway')
    assert.equal(nearestOf('xyz', ['gateway', 'node']), undefined)
    assert.equal(nearestOf('a'.repeat(10_000), ['gateway']), undefined)
  })
})

describe('every command', () => {
  for (const command of commands) {
    test(`${command.name} shows each of its options in its help, within the width`, () => {
      const help = renderCommandHelp(command, plainStyle, 80)
      for (const name of Object.keys(command.options)) {
        const negatable = command.options[name]?.default === true
        assert.ok(help.includes(negatable ? `--no-${name}` : `--${name}`), name)
      }
      for (const width of [80, 50]) {
        const shown = renderCommandHelp(command, plainStyle, width)
        const options = shown.slice(shown.indexOf('\nOptions'), shown.indexOf('\nExamples'))
        for (const line of options.split('\n')) assert.ok(line.length <= width, line)
      }
      assert.ok(command.examples.length > 0)
    })

    test(`${command.name} takes what its own reference says`, () => {
      assert.ok(hasValidDefaults(command))
    })
  }

  test('no two options of one command share a variable', () => {
    for (const command of commands) {
      const variables = Object.keys(command.options).map(variableOf)
      assert.equal(new Set(variables).size, variables.length, command.name)
    }
  })
})

function hasValidDefaults(command: CommandDescription): boolean {
  const values = resolveOptions(command, { flags: new Map(), env: {}, configuration: new Map() })
  return Object.entries(command.options).every(([name, option]) => {
    const value = values[name]
    if (option.choices !== undefined) return option.choices.includes(String(value))
    if (typeof value !== 'number') return true
    return value >= (option.min ?? value) && value <= (option.max ?? value)
  })
}
