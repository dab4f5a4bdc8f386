import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { hasCode, IsochroneError } from '../../protocol/index.ts'
import { defaultPolicy } from '../../routing/index.ts'
import { parsePolicy } from './parse-policy.ts'

const example = readFileSync(join(import.meta.dirname, '../../../docs/policy.yaml'), 'utf8')

function parsed(text: string) {
  return parsePolicy({ file: 'policy.yaml', text })
}

function faultOf(text: string): string {
  try {
    parsed(text)
  } catch (error) {
    assert.ok(error instanceof IsochroneError)
    assert.equal(error.code, 'invalid_configuration')
    return error.message
  }
  throw new assert.AssertionError({ message: 'it was accepted' })
}

describe('a policy file', () => {
  test('that says nothing but a name is the default policy', () => {
    assert.deepEqual(parsed('name: default'), defaultPolicy)
  })

  test('gives tiers, classes and numbers in the units of the program', () => {
    const policy = parsed(example)
    assert.deepEqual(
      policy.hardwareClasses.map(({ name }) => name),
      ['server-gpu', 'home-gpu', 'cpu'],
    )
    assert.equal(policy.hardwareClasses[2]?.memoryBytes, 3 * 1024 ** 3)
    assert.equal(policy.servesOtherModels, false)
    const [small, medium] = policy.tiers
    assert.deepEqual(small?.classes[0], {
      hardwareClass: 'cpu',
      tokensPerSecondMin: 10,
      promptPriceMax: null,
      completionPriceMax: 50_000,
    })
    assert.equal(small?.classes[1]?.tokensPerSecondMin, 60)
    assert.equal(medium?.kvBytesPerToken, 128 * 1024)
    assert.equal(medium?.classes[1]?.promptPriceMax, 100_000)
    assert.deepEqual(medium?.quantisations, ['int4'])
    assert.equal(parsed('routing: { exploration-share: 0.2 }').explorationShare, 0.2)
  })

  test('has a version that its values make, not its looks', () => {
    const { version } = parsed('name: mine\nrouting: { claim-samples: 3, same-speed-ms: 5 }')
    assert.match(version, /^mine-[0-9a-f]{16}$/)
    const restyled = '# mine\nrouting:\n  same-speed-ms: 5\n  claim-samples: 3\nname: mine\n'
    assert.equal(parsed(restyled).version, version)
    assert.notEqual(parsed(restyled.replace('3', '4')).version, version)
    assert.notEqual(parsed(example).version, parsed(example.replace(/: 100\n/, ': 101\n')).version)
  })
})

describe('a fault', () => {
  const tier = (inside: string) => `tiers:\n  small:\n    models: [m]\n    ${inside}\n`
  const faults: readonly (readonly [text: string, fault: RegExp])[] = [
    ['', /^policy\.yaml:1:1: holds no policy; "name: default" is one that asks nothing$/],
    ['# nothing\n', /holds no policy/],
    ['name: [', /^policy\.yaml:1:8: /],
    ['- a', /^policy\.yaml:1:1: must be a map of "key: value" lines/],
    ['nmae: x', /^policy\.yaml:1:1: unknown key "nmae" in a policy \(did you mean "name"\?\)/],
    ['teirs: {}', /\(did you mean "tiers"\?\); docs\/policy\.md lists them$/],
    ['name: My policy', /^policy\.yaml:1:7: "My policy" cannot name a policy; a name has/],
    ['other-models: allow', /^policy\.yaml:1:15: "other-models" is "allow", but must be one of s/],
    ['tiers:\n  Big: {}', /^policy\.yaml:2:3: "Big" cannot name a tier/],
    ['tiers:\n  big: {}', /^policy\.yaml:2:3: the tier "big" names no model; add, for example, m/],
    ['tiers:\n  big: { models: [] }', /^policy\.yaml:2:10: the tier "big" names no model/],
    ['tiers:\n  big: 7', /^policy\.yaml:2:8: must be a map/],
    [tier('modles: [x]'), /^policy\.yaml:4:5: unknown key "modles" in the tier "small" \(did/],
    [tier('tokens-per-second: fast'), /^policy\.yaml:4:24: "tokens-per-second" must be a number/],
    [tier('tokens-per-second: -1'), /"tokens-per-second" is -1, but must be at least 0/],
    [tier('memory-gib: .inf'), /^policy\.yaml:4:17: "memory-gib" is "Infinity", but must be a n/],
    [tier('prompt-price-max: 1.5'), /must be a whole number/],
    [tier('digests: [sha256:12]'), /^policy\.yaml:4:14: "sha256:12" is no digest; a digest is/],
    [tier('classes: { gpu: {} }'), /^policy\.yaml:4:16: there is no class "gpu"; describe it u/],
    [tier('classes: [cpu]'), /^policy\.yaml:4:14: must be a map/],
    [`classes: { cpu: {} }\n${tier('classes: { cup: {} }')}`, /"cup" \(did you mean "cpu"\?\)/],
    [tier('classes: { other: { models: [x] } }'), /unknown key "models" in the class "other" of/],
    [`${tier('')}  large:\n    models: [m]\n`, /^policy\.yaml:5:3: the model "m" is also in the t/],
    ['classes:\n  upstream: {}', /^policy\.yaml:2:3: "upstream" always means a server without/],
    ['classes:\n  other: {}', /"other" always means a machine that fits no class; take another/],
    ['classes:\n  unknown: {}', /"unknown" always means a machine whose GPU’s memory is not known/],
    ['classes:\n  a: { cores: many }', /^policy\.yaml:2:15: "cores" must be a number/],
    ['routing: { exploration-share: 2 }', /^policy\.yaml:1:31: .* must be at most 1/],
    ['tiers: {}\ntiers: {}', /^policy\.yaml:2:1: Map keys must be unique/],
  ]
  for (const [text, fault] of faults) {
    test(`is told with its place and how to mend it: ${JSON.stringify(text)}`, () => {
      assert.match(faultOf(text), fault)
    })
  }

  test('is told with all others of the file, in the order of their lines', () => {
    const text = [
      'name: My policy',
      'routing: { exploration-share: 2, same-sped-ms: 5, claim-samples: 3 }',
      'tiers:',
      '  small: { models: [m], tokens-per-second: fast, classes: { cup: {}, home: {} } }',
      '  Large: { modles: [x] }',
      '  medium: { models: [m], digests: [sha256:12, sha256:34] }',
      'clases: {}',
      'classes: { home: { cores: many }, upstream: 7 }',
    ]
    const places = faultOf(text.join('\n'))
      .split('\n')
      .map((fault) => /^policy\.yaml:(\d+:\d+): .*?("[^"]+"|must be a map)/.exec(fault)?.slice(1))
    assert.deepEqual(places, [
      ['1:7', '"My policy"'],
      ['2:31', '"exploration-share"'],
      ['2:34', '"same-sped-ms"'],
      ['4:44', '"tokens-per-second"'],
      ['4:61', '"cup"'],
      ['5:3', '"Large"'],
      ['5:12', '"modles"'],
      ['6:3', '"m"'],
      ['6:35', '"sha256:12"'],
      ['6:35', '"sha256:34"'],
      ['7:1', '"clases"'],
      ['8:27', '"cores"'],
      ['8:35', '"upstream"'],
      ['8:45', 'must be a map'],
    ])
  })

  test('of YAML itself is told with the others as well', () => {
    const lines = faultOf('a: 1\na: 2\nb: 1\nb: 2\n').split('\n')
    assert.deepEqual(
      lines.map((line) => line.slice(0, 'policy.yaml:2:1: Map keys must be unique'.length)),
      ['policy.yaml:2:1: Map keys must be unique', 'policy.yaml:4:1: Map keys must be unique'],
    )
  })

  test('is one of at most so many that are told', () => {
    const lines = faultOf(Array.from({ length: 70 }, (_, i) => `k${i}: 1`).join('\n')).split('\n')
    assert.deepEqual(
      [lines.length, lines[49]?.slice(0, 17), lines[50]],
      [51, 'policy.yaml:50:1:', 'and 20 more'],
    )
  })

  test('bounds what a file can hold', () => {
    const many = (count: number, what: string) =>
      Array.from({ length: count }, (_, i) => `  n${i}: {${what.replace('#', `m${i}`)}}`).join('\n')
    assert.match(faultOf(`classes:\n${many(51, '')}`), /:52:3: there may be at most 50 classes/)
    assert.match(faultOf(`tiers:\n${many(201, ' models: [#] ')}`), /at most 200 tiers/)
    const names = Array.from({ length: 1_001 }, (_, i) => `m${i}`).join(', ')
    assert.match(faultOf(`tiers: { a: { models: [${names}] } }`), /may have at most 1000 names/)
    assert.match(faultOf(`# ${'x'.repeat(2 ** 20)}`), /is larger than/)
  })

  test('whatever the file, parsing ends with a policy or a fault that names a line', () => {
    const part = fc.constantFrom(
      ...['tiers', 'classes', 'models', 'name', ':', ' ', '\n', '  ', '- ', '{', '}', '[', ']'],
      ...['m', '1', '"', '&a', '*a', '!!x', '<<', '|', '#', '\t', '\u0000', '__proto__', 'é', ','],
    )
    fc.assert(
      fc.property(fc.array(part, { maxLength: 40 }), (parts) => {
        try {
          parsed(parts.join(''))
        } catch (error) {
          assert.ok(hasCode(error, 'invalid_configuration'), String(error))
          assert.match((error as Error).message, /^policy\.yaml:\d+:\d+: /)
        }
      }),
      { numRuns: 500 },
    )
  })
})
