/** What a person reads of a decision, at the sizes and widths that people have. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seededRandom } from '../../base/index.ts'
import { endAttempt, withAttempt, withPause } from '../attempts.ts'
import type { Candidate } from '../candidate.ts'
import { chooseAgain, decide } from '../decide.ts'
import type { Decision } from '../decision.ts'
import { defaultPolicy } from '../policy.ts'
import type { RouteRequest } from '../request.ts'
import { reviveDecision } from '../revive.ts'
import {
  type CandidateChange,
  sampleCandidate,
  sampleEvidence,
  sampleInput,
  sampleRequest,
  sampleWorker,
} from '../samples.fixture.ts'
import { workerName } from './reason.ts'
import { renderDecision } from './render.ts'

const policy = { ...defaultPolicy, explorationShare: 0 }
const name = (number: number) => workerName(sampleWorker(number))

interface Case {
  readonly change?: (number: number) => CandidateChange
  readonly request?: Partial<RouteRequest>
  readonly seed?: number
}

function decided(count: number, { change = () => ({}), request = {}, seed = 1 }: Case = {}) {
  const candidates = Array.from({ length: count }, (_, i) => sampleCandidate(i, change(i)))
  const asked = { ...sampleRequest, ...request }
  return decide(sampleInput({ candidates, request: asked, policy, random: seededRandom(seed) }))
}

/** In one line, so that a match does not depend on where lines are broken. */
const flat = (decision: Decision) => renderDecision(decision).replaceAll(/\s+/g, ' ')

test('a draw names all who were in it, why, and who might have won it', () => {
  const newcomers = decided(3)
  const text = flat(newcomers)
  assert.match(text, /It was drawn by lot\. 3 workers take turns: \S+, \S+ and \S+\. /)
  assert.match(
    text,
    /Nobody has seen any of them at work yet, and they are about equally fast \(predicted: 1480/,
  )
  const others = [0, 1, 2]
    .map(name)
    .filter((one) => one !== workerName(newcomers.chosen ?? sampleWorker(9)))
  assert.ok(text.includes(`Another draw might have chosen ${others.join(' or ')}.`), text)

  const short = decided(3, { change: (i) => ({ evidence: sampleEvidence(0.99, 5 + i) }) })
  assert.match(flat(short), /records are too short to tell their reliability apart \(5 to 7 obs/)
  const long = decided(3, { change: () => ({ evidence: sampleEvidence(0.99, 800) }) })
  assert.match(flat(long), /Their reliability cannot be told apart/)
})

test('whoever has most to do can win no draw', () => {
  const busy = decided(3, { change: (i) => ({ load: { running: i } }) })
  assert.equal(busy.decidedBy, 'load')
  assert.notEqual(busy.chosen, sampleWorker(2))
  assert.doesNotMatch(flat(busy), new RegExp(`might have chosen[^.]*${name(2)}`))
})

test('nobody has less to do than nothing: what else would have changed it is said', () => {
  const lost = (otherPrice: number) => {
    const decision = decided(2, {
      change: (i) => ({ load: { running: i }, offer: { promptPrice: i === 0 ? 10 : otherPrice } }),
    })
    assert.equal(decision.decidedBy, 'load')
    assert.equal(decision.chosen, sampleWorker(0))
    return flat(decision)
  }
  const idle = `With nothing at all to do, ${name(1)} would have been`
  assert.ok(lost(10).includes(`${idle} as likely to be chosen.`), lost(10))
  assert.ok(lost(5).includes(`${idle} chosen: it is cheaper (0.00178 µ$).`), lost(5))
  assert.ok(lost(20).includes(`${idle} chosen for less than 0.00228 µ$.`), lost(20))
  const busy = decided(2, { change: (i) => ({ load: { running: 1 + i } }) })
  assert.match(flat(busy), / would have been chosen with under 0\.25 requests per slot\./)
})

test('on a narrow screen the table leaves columns out, and says which', () => {
  const at = (columns: number) =>
    renderDecision(decided(2), { columns }).split('The best in numbers\n')[1] ?? ''
  assert.match(at(140), /in time {2}done after/)
  assert.doesNotMatch(at(140), /No room for/)
  assert.match(
    at(80),
    /^ {2}node .* done after {2}load {2}µ\$\n(.*\n){2} {2}No room for: in time, /,
  )
  assert.match(at(40), /^ {2}node {6}right, in time /)
})

test('a number and its unit stay on one line', () => {
  const decision = decided(2)
  for (let columns = 40; columns < 140; columns += 1) {
    const text = renderDecision(decision, { columns })
    assert.doesNotMatch(text, /\d\n *(%|ms|µ\$)/)
    assert.ok(!text.includes('\u0000'))
  }
})

test('of two drawn, the one that lost says by what', () => {
  const lost = (change: (number: number) => CandidateChange) => flat(decided(2, { change }))
  assert.match(
    lost((i) => ({ load: { running: i } })),
    /drawn too, but has more to do by estimate \(0\.25 requests per slot, not 0\)\./,
  )
  assert.match(
    lost((i) => ({ offer: { promptPrice: 10 + 1_000_000 * i } })),
    /drawn too, but dearer \(100 µ\$, not 0\.00228 µ\$\)\./,
  )
})

test('spill and exploration are named for whoever would have been chosen otherwise', () => {
  const spilled = decided(2, {
    change: (i) => ({
      evidence: sampleEvidence(i === 0 ? 0.99 : 0.8, 800),
      load: { running: i === 0 ? 8 : 0 },
    }),
  })
  assert.equal(spilled.decidedBy, 'spill')
  assert.match(flat(spilled), /1\. \S+: more reliable, but has a queue \(2 requests per slot\)\./)
  const candidates = [
    sampleCandidate(0, { evidence: sampleEvidence(0.99, 800) }),
    sampleCandidate(1, { roundTripMs: 3_000 }),
  ]
  const always = { ...defaultPolicy, explorationShare: 1 }
  const explored = decide(sampleInput({ candidates, policy: always }))
  assert.equal(explored.decidedBy, 'exploration')
  assert.match(flat(explored), /1\. \S+: one of the best, but this was a turn to explore\./)
})

test('a newcomer’s record says what it counts as', () => {
  assert.match(
    flat(decided(1)),
    /Nobody has seen it at work yet; its success is counted as 5 % at /,
  )
})

test('every other candidate has its rank and one reason', () => {
  const decision = decided(4, {
    change: (i) => ({ evidence: sampleEvidence(i === 3 ? 0.5 : 0.99, 500, i === 2 ? 4_000 : 200) }),
  })
  const lines = renderDecision(decision).split('\n')
  const at = lines.indexOf('Why not the others?')
  const chosen = decision.chosen === sampleWorker(0) ? 0 : 1
  assert.equal(lines[at + 1 + chosen], `  ${chosen + 1}. ${name(chosen)}: the chosen one.`)
  assert.match(
    lines[at + 2 - chosen] ?? '',
    /drawn too, and alike in load and price: the lot decided\./,
  )
  assert.equal(
    lines[at + 3],
    `  3. ${name(2)}: as reliable, but slower (done after 5245 ms, not 1480 ms).`,
  )
  assert.match(lines[at + 4] ?? '', /^ {2}4\. \S+: less reliable \(5\S+ % at most; the best reach/)
})

test('the length that a prediction takes the answer to have is said', () => {
  const length = (maxTokens: number | null) => flat(decided(1, { request: { maxTokens } }))
  assert.match(
    length(null),
    /for an answer of 256 tokens, an assumption, since the request sets no/,
  )
  assert.match(length(3_000), /for an answer of 256 tokens, an assumption, since few answers reach/)
  assert.match(length(1), /for an answer of 1 token, all that the request allows/)
})

test('the length that answers had lately is said, and where few were seen, how many', () => {
  const length = (samples: number, maxTokens: number | null = null) =>
    flat(decided(1, { request: { maxTokens, usualAnswer: { tokens: 8, samples } } }))
  assert.match(length(256), /for an answer of about 8 tokens, as this model’s lately\./)
  assert.match(
    length(4),
    /of about 45 tokens: 256 are assumed, and some 4 answers of this model lately had about 8\./,
  )
  assert.match(length(4, 3_000), /for an answer of about 45 tokens: 256 are assumed/)
  assert.match(length(4, 60), /for an answer of about 45 tokens: 60 or more are assumed/)
  assert.match(length(256, 5), /for an answer of 5 tokens, all that the request allows/)
})

const unseen = { ...sampleEvidence(0.99, 5), ttft: undefined, tpot: undefined }
const silent = { prefillTokensPerSecond: 0, decodeTokensPerSecond: 0 }

test('what a prediction rests on is said as it is', () => {
  const basis = (change: CandidateChange) => flat(decided(1, { change: () => change }))
  assert.match(
    basis({ offer: silent }),
    / Assumed, since it states no speed and nobody has seen it at work: first token after 1020 ms/,
  )
  const whole = { ...unseen, tpot: sampleEvidence(0.99, 5).tpot }
  const paced = decided(1, { change: () => ({ offer: silent, evidence: whole }) })
  assert.match(
    flat(paced),
    /Assumed, since .* no first token of it was seen: .* ms \(its pace per token was seen\), for/,
  )
  assert.equal(flat(reviveDecision(JSON.stringify(paced))), flat(paced))
  const said = basis({ evidence: unseen })
  assert.match(said, /from the speed that it states, since no first token of it was seen: /)
  assert.doesNotMatch(said, /its pace per token was seen/)
  assert.match(
    basis({ evidence: sampleEvidence(0.99, 5) }),
    /Predicted from work seen: first token/,
  )
})

test('no round trip to an upstream is told, as none is measured', () => {
  const id = 'upstream-vllm' as Candidate['id']
  const text = flat(decided(1, { change: () => ({ id, roundTripMs: 0 }) }))
  assert.match(text, /, the way to its server is part of its times, price /)
  assert.doesNotMatch(text, /round trip/)
})

test('the factors of a reliability are all shown: they multiply to it', () => {
  const objective = { ttftMs: 2_000, tpotMs: null }
  const decision = decided(2, { request: { objective } })
  const text = renderDecision(decision, { columns: 200 })
  const said = text.replaceAll(/\s+/g, ' ')
  const shares = /in time: (\S+) % at least/.exec(said)
  const sure = /by what is sure in (\S+) % at least/.exec(said)
  const [first] = decision.rankings
  assert.ok(first && shares && sure)
  const { availability, clean, completionLowerBound } = first
  const product = completionLowerBound * clean * availability * Number(sure[1])
  assert.ok(Math.abs(product - Number(shares[1])) < 0.1, said)
  assert.match(text, new RegExp(` {2}${sure[1]} to 100 % +\\d+ ms `))
  assert.match(renderDecision(decided(2), { columns: 200 }), / {2}100 % +\d+ ms /)
})

test('an answer in one piece has no first token to miss', () => {
  const end = (features: RouteRequest['features'], outcome: 'completed' | 'failed') => {
    const asked = decided(1, {
      change: () => ({ offer: { features } }),
      request: { features },
    })
    const begun = withAttempt(asked, { worker: sampleWorker(0), startedAtMs: 100 })
    return flat(endAttempt(begun, { endedAtMs: 101, outcome }))
  }
  assert.match(end(['chat'], 'completed'), /: completed after 1 ms, in one piece\./)
  assert.match(end(['embedding'], 'completed'), /: completed after 1 ms\./)
  assert.match(end(['chat'], 'failed'), /: failed after 1 ms, without a first token\./)
})

test('after a retry the first order is still there, and every attempt with its end', () => {
  const candidates = [0, 1, 2].map((i) => sampleCandidate(i))
  let decision = decided(3)
  const first = decision
  const failed = decision.chosen ?? sampleWorker(9)
  decision = withAttempt(decision, { worker: failed, startedAtMs: 100 })
  decision = endAttempt(decision, { endedAtMs: 150, outcome: 'failed', code: 'node_failed' })
  decision = chooseAgain(decision, sampleInput({ candidates, policy }))
  decision = withAttempt(decision, { worker: decision.chosen ?? failed, startedAtMs: 160 })
  decision = endAttempt(decision, { endedAtMs: 300, outcome: 'completed', ttftMs: 40 })
  const text = flat(decision)
  assert.ok(text.includes(`It was chosen after ${workerName(failed)} had failed`))
  assert.ok(text.includes(`As first decided ${workerName(failed)} was chosen. ${first.reason} 1. `))
  assert.match(
    text,
    /1\. \S+, as first decided: failed after 50 ms, without a first token \(node_f/,
  )
  assert.match(text, /2\. \S+, in place of the one before: completed after 140 ms, first token aft/)
  assert.equal(flat(reviveDecision(JSON.stringify(decision))), text)

  // A second failure leaves the first order as it was.
  decision = chooseAgain(decision, sampleInput({ candidates, policy }))
  assert.deepEqual(decision.first?.rankings, first.rankings)
})

test('who waited for room is told how long, and who failed after that', () => {
  const candidates = [0, 1].map((i) => sampleCandidate(i))
  const busy = candidates.map((_, i) => sampleCandidate(i, { load: { running: 1_000 } }))
  const { now: atMs, ...input } = sampleInput({ candidates, policy })
  let decision = decide(sampleInput({ candidates: busy, policy }))
  assert.equal(decision.chosen, null)
  decision = chooseAgain(decision, { ...input, now: atMs + 700 })
  const failed = decision.chosen ?? sampleWorker(9)
  decision = withAttempt(decision, { worker: failed, startedAtMs: atMs + 700 })
  assert.match(flat(decision), /waited 700 ms: all .* 1\. \S+, when there was room: still running/)
  assert.doesNotMatch(flat(decision), /It was chosen after/)
  decision = endAttempt(decision, {
    ...{ endedAtMs: atMs + 750, outcome: 'failed', code: 'node_failed' },
  })
  const others = candidates.filter(({ id }) => id !== failed)
  decision = chooseAgain(decision, { ...input, candidates: others, now: atMs + 760 })
  const text = flat(decision)
  assert.match(text, /waited 700 ms: all who can serve it were busy\. It was chosen after \S+ had/)
})

test('a splice says how much was taken over, and how long the pause was', () => {
  let decision = decided(2)
  decision = withAttempt(decision, { worker: sampleWorker(0), startedAtMs: 100 })
  const failure = { outcome: 'failed', code: 'connection_lost', ttftMs: 20 } as const
  decision = endAttempt(decision, { endedAtMs: 150, ...failure })
  const splice = { tokens: 17, pauseMs: null }
  const start = {
    worker: sampleWorker(1),
    startedAtMs: 160,
    cause: 'continuation',
    splice,
  } as const
  decision = withAttempt(decision, start)
  assert.match(flat(decision), /2\. \S+, going on behind the 17 tokens that were there: still runn/)
  decision = withPause(decision, 84)
  decision = endAttempt(decision, { endedAtMs: 300, outcome: 'completed', ttftMs: 40 })
  const text = flat(decision)
  assert.match(text, /1\. \S+, as first decided: failed after 50 ms, .* \(connection_lost: /)
  assert.match(text, /2\. \S+, going on behind .* there, after a pause of 84 ms: completed after/)
  assert.equal(flat(reviveDecision(JSON.stringify(decision))), text)
  assert.equal(withPause(decided(2), 84).attempts.length, 0)
})

test('200 rejected are grouped by what they had', () => {
  const regions = ['eu', 'us']
  const decision = decided(200, {
    change: (i) => ({ region: regions[i % 2] ?? '' }),
    request: { region: 'mars' },
  })
  const text = renderDecision(decision)
  assert.match(text, /region \(200\): required region mars\n {4}region eu: 100 workers, for exampl/)
  assert.ok(text.split('\n').length < 20, text)
})

test('a large network: the best, the chosen one, and counts of the others', () => {
  const decision = decided(200, {
    change: (i) => ({ evidence: sampleEvidence(i < 100 ? 0.99 : 0.5, 500, i < 60 ? 200 : 5_000) }),
  })
  const text = flat(decision)
  assert.ok(decision.rankings.length <= policy.rankingsMax + 2)
  const alike = 60 - decision.rankings.length
  assert.ok(
    text.includes(`${alike} just as good, 40 as reliable, but slower, 100 less reliable.`),
    text,
  )
  assert.match(text, /60 workers take turns: (\S+, ){7}\S+ and 52 more\./)
})

test('nothing is wider than the terminal, at 0, 1, 5 and 200 nodes', () => {
  for (const count of [0, 1, 5, 200]) {
    for (const region of [null, 'mars']) {
      const text = renderDecision(decided(count, { request: { region } }), { columns: 60 })
      for (const line of text.split('\n')) assert.ok(line.length <= 60, line)
    }
  }
})

test('a decision of the first version is read, and belongs to nobody', () => {
  const now = JSON.parse(JSON.stringify(decided(2)))
  const { keyId, completionTokens, alike, first, ...before } = now
  for (const ranking of before.rankings) delete ranking.alike
  const revived = reviveDecision(before)
  assert.equal(revived.keyId, null)
  assert.equal(revived.completionTokens, completionTokens)
  assert.equal(revived.alike, alike)
  assert.match(flat(revived), /2 workers take turns/)
})

test('whoever is less reliable is measured against the surest, not the fastest', () => {
  const decision = decided(3, {
    change: (i) => ({
      roundTripMs: 5 + 400 * i,
      evidence: sampleEvidence(i === 2 ? 0.85 : 0.99, [20, 2_000, 2_000][i] ?? 0),
    }),
  })
  const lines = flat(decision).match(/less reliable \((\S+) % at most; the best reaches (\S+) %/)
  assert.ok(lines)
  const [, most, least] = lines.map(Number)
  assert.ok((most ?? 1) < (least ?? 0), lines[0])
})
