/** Ticks of load that stay away make a cluster's coordinator look, long before a probe's turn. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { digestTimes } from '../digests/limits.ts'
import { near } from '../membership/presets.ts'
import { AgentWorld, untilHolds } from './agent.fixture.ts'

const facts = () => ({
  region: 'here',
  capabilities: new Uint8Array(32),
  slots: 8,
  kvTokensTotal: 1_000,
  tokensPerSecond: 10,
  health: 'good' as const,
  load: { running: 0, waiting: 0, kvTokensFree: 1_000 },
})
/** Until a tick is missed, and the next look at who spoke: a cluster of few is looked at seldom. */
const { publishFewMs, tickLateMs, tickMs } = digestTimes
const noticedMs = tickMs + tickLateMs + publishFewMs

test('each crash is suspected as soon as a tick was missed and a probe has failed', async () => {
  const world = new AgentWorld(41)
  const first = await world.add({ facts })
  for (let i = 0; i < 7; i += 1) await world.meet(await world.add({ facts }), first)
  await world.untilTogether()
  await world.run(20_000)
  const { coordinator } = first.agent.place ?? {}
  const leader = world.places.find(({ identity }) => identity.id === coordinator)
  assert.ok(leader !== undefined)
  const knownMs: number[] = []
  for (const place of world.places.filter((one) => one !== leader).slice(0, 4)) {
    const { id } = place.identity
    await world.crash(place)
    const stateOf = () => leader.agent.members().find((member) => member.id === id)?.state
    knownMs.push(await untilHolds(world, () => stateOf() !== 'alive'))
    // Whose probes have just failed has more patience for a while (Lifeguard's local health).
    await world.run(30_000)
  }
  const mostMs = noticedMs + near.probeDeadlineMs + 100
  assert.ok(Math.max(...knownMs) <= mostMs, `${knownMs.join(', ')} ms, of ${mostMs}`)
  await world.close()
})
