/** What nodes have earned here: for operators, who owe it. */
import { json } from '../../base/index.ts'
import type { AccountView, Entry } from '../../ledger/index.ts'
import { IsochroneError, isNodeId, type NodeId } from '../../protocol/index.ts'
import type { Earnings } from '../dispatch/earnings.ts'
import { accountAnswer, accountList } from './account-schemas.ts'
import { type Client, jsonType } from './client.ts'
import { type OperatorModules, operatorsOnly } from './operators-only.ts'
import { Query } from './query.ts'
import type { Route } from './route-table.ts'
import { snakeCased } from './snake-case.ts'

/** Some 400 bytes each. */
const entriesMax = 1_000
const entriesDefault = 20

export interface AccountRouteModules extends OperatorModules {
  readonly earnings?: Pick<Earnings, 'account' | 'accounts' | 'entries'> | undefined
}

export function accountRoutes(modules: AccountRouteModules): readonly Route[] {
  const { earnings } = modules
  return [
    {
      method: 'GET',
      path: '/v1/accounts',
      counts: true,
      document: {
        tag: 'information',
        summary: 'What each node has earned here, is owed, and what of it is held; for operators.',
        answer: accountList,
        errorStatuses: [401, 403, 429],
      },
      async handle(client) {
        refuseOthers(client, modules)
        const data = (await earnings?.accounts())?.map(shown) ?? []
        send(client, { object: 'list', data })
      },
    },
    {
      method: 'GET',
      path: '/v1/accounts/:id',
      counts: true,
      document: {
        tag: 'information',
        summary: 'One node’s account, with its newest entries; for operators.',
        answer: accountAnswer,
        errorStatuses: [400, 401, 403, 404, 429],
        query: [
          {
            name: 'limit',
            schema: json.string({ pattern: '^[0-9]{1,4}$' }),
            description: 'How many entries at most: 20 unless told, and no more than 1,000.',
          },
        ],
      },
      async handle(client) {
        refuseOthers(client, modules)
        const limit = new Query(client.url).number('limit') ?? entriesDefault
        const worker = nodeOf(client)
        const account = worker === undefined ? undefined : await earnings?.account(worker)
        if (account === undefined || worker === undefined) throw unknown(client)
        const found = earnings?.entries(worker, Math.min(limit, entriesMax)) ?? []
        const entries = found.map((entry) => shownEntry(entry, account))
        send(client, { ...shown(account), entries })
      },
    },
  ]
}

/** @throws IsochroneError `permission_denied` */
function refuseOthers(client: Client, modules: OperatorModules): void {
  if (client.account.role === 'operator') return
  throw operatorsOnly('What nodes have earned is shown to an operator’s key.', modules)
}

function nodeOf({ id }: Client): NodeId | undefined {
  return isNodeId(id) ? id : undefined
}

function unknown({ id }: Client): IsochroneError {
  const message = `Nothing was earned here by a node ${id}; GET /v1/accounts lists who has.`
  return new IsochroneError('not_found', message)
}

function shown(account: AccountView): object {
  return { object: 'account', ...account }
}

function shownEntry({ state, worker: _, ...entry }: Entry, { isHeld }: AccountView): object {
  return { ...entry, state: isHeld && state === 'owed' ? 'held' : state }
}

function send(client: Client, value: object): void {
  client.send(200, jsonType, JSON.stringify(snakeCased(value)))
}
