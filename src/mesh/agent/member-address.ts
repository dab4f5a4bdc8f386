/**
 * Which addresses of a card are worth dialling. What a member says of itself sends all others
 * there: it must be the place of one machine, and not what a resolver or the kernel makes of it.
 */
import { BlockList, isIP } from 'node:net'

const shape = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]\s]+)):(\d{1,5})$/
/** Letters, digits and hyphens between dots (RFC 1123); underscores, as containers have them. */
const nameShape = /^[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?$/
/** `127.1`, `0x7f000001`: names that resolvers read as numbers. */
const numberShape = /(?:^|\.)(?:\d+|0[xX][0-9a-fA-F]*)$/
const portMax = 65_535

/** Of no machine, of many, or only of this link (RFC 6890); cloud metadata is among the last. */
const nowhere = new BlockList()
nowhere.addSubnet('0.0.0.0', 8)
nowhere.addSubnet('169.254.0.0', 16)
nowhere.addSubnet('224.0.0.0', 3)
nowhere.addAddress('::', 'ipv6')
nowhere.addSubnet('fe80::', 10, 'ipv6')
nowhere.addSubnet('ff00::', 8, 'ipv6')

/** @param address `host:port` or `[IPv6]:port` */
export function isDialable(address: string): boolean {
  const [, literal, name = '', port] = shape.exec(address) ?? []
  if (!(Number(port) >= 1 && Number(port) <= portMax)) return false
  if (literal !== undefined) return isIP(literal) === 6 && !nowhere.check(literal, 'ipv6')
  if (isIP(name) === 4) return !nowhere.check(name)
  return nameShape.test(name) && !numberShape.test(name)
}

/** Where identities are cheap to whoever has one: an address, or an IPv6 network (RFC 6177). */
export function siteOf(address: string): string {
  const [, literal, name = address] = shape.exec(address) ?? []
  if (literal === undefined) return name
  const [head = '', tail] = literal.split('::')
  const groups = head.split(':').filter((group) => group !== '')
  return tail === undefined || groups.length >= siteGroups
    ? groups.slice(0, siteGroups).join(':')
    : `${groups.join(':')}::`
}

/** Of 16 bits: a /64. */
const siteGroups = 4
