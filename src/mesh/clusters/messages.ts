/** What nodes send each other about clusters, beside what the directory sends. */
import type { NeighbourhoodMessage, NodeId } from '../../protocol/index.ts'
import { coordinateBytes } from '../coordinates/coordinate.ts'
import { cardBytes } from '../directory/card.ts'
import type { DirectoryMessage } from '../directory/directory.ts'
import { directoryMessageBytes } from '../directory/messages.ts'
import type { Roster, Standing } from './claims.ts'

export type { AdmissionVerdict as Verdict, NeighbourhoodMessage } from '../../protocol/index.ts'

export type ClusterMessage = Exclude<NeighbourhoodMessage, DirectoryMessage>

/** The message of this kind. */
export type MessageOf<Kind extends ClusterMessage['kind']> = Extract<ClusterMessage, { kind: Kind }>

export function isDirectoryMessage(message: NeighbourhoodMessage): message is DirectoryMessage {
  const { kind } = message
  return kind === 'shuffle' || kind === 'shuffle-reply' || kind === 'shuffle-rest'
}

/** Of which cluster it speaks. */
export function clusterOf(message: MessageOf<'roster-change'> | MessageOf<'here'>): string {
  return message.kind === 'here' ? message.cluster : message.roster.cluster
}

export interface ClusterSend {
  readonly to: NodeId
  readonly message: ClusterMessage
}

/** As in the directory, and the message's table. */
const framingBytes = 52 + 22 + 9 + 5 + 8 + 48 + 64
const idBytes = 36
const clusterBytes = 32
const sealBytes = 8 + 68 + 16

/** Bytes on the wire, framing included. */
export function neighbourhoodMessageBytes(message: NeighbourhoodMessage): number {
  switch (message.kind) {
    case 'shuffle':
    case 'shuffle-reply':
    case 'shuffle-rest':
      return directoryMessageBytes(message)
    case 'probe':
      return framingBytes + 4
    case 'echo':
      return framingBytes + 4 + clusterBytes + coordinateBytes
    case 'roster-wanted':
      return (
        framingBytes + clusterBytes + (message.card === undefined ? 0 : cardBytes(message.card))
      )
    case 'here-ack':
      return framingBytes + clusterBytes + 8
    case 'here':
      return framingBytes + clusterBytes + 16 + idBytes
    case 'roster': {
      let bytes = framingBytes + idBytes + rosterBytes(message.roster)
      bytes += standingsBytes(message.standings)
      for (const card of message.cards) bytes += cardBytes(card)
      return bytes
    }
    case 'roster-change': {
      const bytes = framingBytes + 8 + rosterBytes(message.roster) + message.gone.length * 32
      return bytes + standingsBytes(message.standings)
    }
    case 'ask':
      return framingBytes + clusterBytes + 8 + cardBytes(message.card) + message.trips.length * 36
    case 'answer': {
      const bytes = framingBytes + idBytes + rosterBytes(message.roster)
      return bytes + standingsBytes(message.standings)
    }
    case 'standing':
      return framingBytes + standingBytes(message.standing)
    case 'moved':
      return framingBytes + cardBytes(message.card)
  }
}

function rosterBytes(roster: Roster): number {
  return clusterBytes + 8 + idBytes + sealBytes + roster.seats.length * 40
}

function standingBytes(standing: Standing): number {
  return idBytes + clusterBytes + 8 + sealBytes + standing.far.length * 32
}

function standingsBytes(standings: readonly Standing[]): number {
  let bytes = 0
  for (const standing of standings) bytes += standingBytes(standing)
  return bytes
}

/** More than an honest node ever sends, whoever signed its parts. */
export function isOversized(message: ClusterMessage, membersMax: number): boolean {
  switch (message.kind) {
    case 'roster':
      return (
        message.roster.seats.length > membersMax ||
        areOversized(message.standings, membersMax) ||
        message.cards.length > rosterCardsMax
      )
    case 'answer':
      return message.roster.seats.length > membersMax || areOversized(message.standings, membersMax)
    case 'roster-change':
      return (
        message.roster.seats.length > membersMax ||
        message.gone.length > membersMax ||
        areOversized(message.standings, membersMax)
      )
    case 'ask':
      return message.trips.length > membersMax
    case 'standing':
      return message.standing.far.length > membersMax
    default:
      return false
  }
}

function areOversized(standings: readonly Standing[], membersMax: number): boolean {
  return standings.length > membersMax || standings.some(({ far }) => far.length > membersMax)
}

/** Of those farthest from who asks; the others are near anyway. */
export const rosterCardsMax = 16
